"""A process that has imported everything a worker needs, and forks workers on the warden's command.

Why forking is safe here: a fork copies only the calling thread, so a lock that any other thread holds at that instant
stays locked in the child. A template therefore creates no thread, and it refuses to serve when importing the
adapter started one: the pool then starts its workers cold. The same holds for what must not be shared, an open
socket for example (sharing.py). Workers create everything after the fork.

Why two forks: the warden must be the parent of every worker, or it could neither wait for it nor be sure of its
identity. The template forks an intermediate process which forks the workers and exits; the workers are orphaned for an
instant and then adopted by their nearest subreaper, the warden. A worker waits for that before it does anything else.

Why a gate: until the warden has recorded the worker on disk, the worker only waits for a message on its gate. The
gate's end without a message means that it will never be registered: it exits.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from array import array
from json import dumps, loads
from time import sleep
from typing import Any, NamedTuple, NoReturn

from snakepit_bridge import containment
from snakepit_bridge.title import set_title

__all__ = ["main"]

_Socket = socket.socket  # an adapter may patch it
EXIT_UNWANTED = 125
EXIT_NOT_FOUND = 127
MOST_AT_ONCE = 64
PACKET = 1 << 16
"""Bytes that a packet may have, in both directions."""
PR_SET_PDEATHSIG = 1


def main(instance: str) -> int:  # noqa: RET503 - `serve` never returns
    """The base template: serves until the warden closes the control socket."""
    descriptor = os.environ.pop("SNAKEPIT_CONTROL_FD", "")
    if not descriptor:
        print("snakepit_bridge template: not started by snakepit (SNAKEPIT_CONTROL_FD missing).", file=sys.stderr)
        return 2
    control = _socket(int(descriptor))
    os.set_inheritable(control.fileno(), False)
    _import_everything()
    set_title(f"snakepit template base instance={instance}", "pit-template")
    _freeze()
    send(control, {"ready": True})
    serve(control, None)  # never returns


def _import_everything() -> None:
    """What every worker needs. Nothing here may create a thread."""
    import asyncio
    import ctypes
    import encodings.idna
    import inspect
    import random

    from snakepit_bridge import resolve
    from snakepit_bridge.adapters import base
    from snakepit_bridge.runtime import worker

    worker.import_all()
    _ = (asyncio, ctypes, encodings.idna, inspect, random, base, resolve)


def _freeze() -> None:
    """Moves what exists out of the collector's sight, so that no child copies pages to count references."""
    gc.collect()
    gc.freeze()


class Imported(NamedTuple):
    """The adapter's class, and what its import has changed for the whole process that is not inherited as it is."""

    cls: type
    env: dict[str, str | None]
    """Variables that it has set, or (None) removed."""
    cwd: str | None
    """Where it has gone to."""


# ------------------------------------------------------------------------------------------------ control


def _socket(descriptor: int) -> socket.socket:
    """It waits, whatever an adapter has made the default."""
    found = _Socket(fileno=descriptor)
    found.settimeout(None)
    return found


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """One JSON object, one packet. What does not fit travels in a file in memory."""
    data = dumps(message).encode()
    if len(data) <= PACKET:
        channel.send(data)
        return
    with open(os.memfd_create("snakepit-message"), "wb") as file:
        file.write(data)
        file.flush()
        socket.send_fds(channel, [b'{"in_file": true}'], [file.fileno()])


def receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message and its descriptors; None at the end."""
    try:
        # socket.recv_fds ignores its flags.
        numbers = array("i")
        room = socket.CMSG_LEN((MOST_AT_ONCE + 1) * numbers.itemsize)
        data, along, _, _ = channel.recvmsg(PACKET, room, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    except OSError:
        return None, []
    for _, _, part in along:
        numbers.frombytes(part[: len(part) - len(part) % numbers.itemsize])
    descriptors = list(numbers)
    message = loads(data) if data else None
    if message and message.get("in_file"):
        with open(descriptors.pop(), "rb") as file:
            file.seek(0)
            message = loads(file.read())
    return message, descriptors


def serve(control: socket.socket, loaded: Imported | None) -> NoReturn:
    """Forks when told to; ends with the control socket."""
    warden = os.getppid()
    while True:
        message, gates = receive(control)
        if message is None:
            os._exit(0)
        if message.get("op") == "fork":
            _fork(warden, control, gates, loaded)
        for gate in gates:
            os.close(gate)


def _fork(warden: int, control: socket.socket, gates: list[int], loaded: Imported | None) -> None:
    """One intermediate, one child for each gate."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an adapter may have closed or removed it
            stream.flush()
    intermediate = os.fork()
    if intermediate:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(intermediate, 0)
        return
    try:
        middle = os.getpid()
        for gate in gates:
            if os.fork() == 0:
                _child(warden, middle, control, gates, gate=gate, loaded=loaded)
    finally:
        os._exit(0)


# ------------------------------------------------------------------------------------------------ in the child


def _child(
    warden: int, middle: int, control: socket.socket, gates: list[int], *, gate: int, loaded: Imported | None
) -> NoReturn:
    """Never returns into the template's code, whatever happens."""
    try:
        _wait_for_adoption(warden, middle)
        os.setsid()
        _reset_signals()
        os.close(control.detach())
        for other in gates:
            if other != gate:
                os.close(other)
        channel = _socket(gate)
        try:
            send(channel, {"pid": os.getpid()})
        except OSError:  # it is not wanted any more
            os._exit(EXIT_UNWANTED)
        go, descriptors = receive(channel)
        if go is None:
            os._exit(EXIT_UNWANTED)
        _become(go, channel, descriptors, loaded)
    except BaseException:  # noqa: BLE001 - the last line of defence
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(70)


def _wait_for_adoption(warden: int, middle: int) -> None:
    """Until the warden is the parent. Anyone else as the parent means that the warden is gone."""
    while True:
        parent = os.getppid()
        if parent == warden:
            break
        if parent != middle:
            os._exit(EXIT_UNWANTED)
        sleep(0.0002)
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != warden:  # it died between the look and the leash
        os._exit(EXIT_UNWANTED)


def _reset_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGURG):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _become(go: dict[str, Any], channel: socket.socket, descriptors: list[int], loaded: Imported | None) -> NoReturn:
    """Takes on the role that the go message names."""
    _adopt_surroundings(go, descriptors)
    if go.get("role") == "template":
        set_title(f"snakepit template {go.get('pool') or 'base'} instance={go.get('instance', '')}", "pit-template")
        _serve_adapter(go, channel)
    _reseed()
    title = f"snakepit worker {go['worker']} [{go['adapter']}] instance={go.get('instance', '')}"
    set_title(title, "pit-worker")
    if go.get("contain") == "strict":
        containment.enter(channel.fileno())
    from snakepit_bridge.runtime.worker import Launch, run

    launch = Launch(
        instance=go.get("instance", ""),
        pool=go.get("pool", ""),
        worker=go["worker"],
        adapter=go["adapter"],
        cwd=go.get("cwd", ""),
        gateway=os.environ["SNAKEPIT_GATEWAY"],
        token=go.get("token", ""),
        lifeline=channel.detach(),
        loaded=loaded.cls if loaded is not None else None,
    )
    if loaded is not None:
        _repeat(loaded)
    run(launch)
    os._exit(70)


def _adopt_surroundings(go: dict[str, Any], descriptors: list[int]) -> None:
    """Log, standard input, environment, directory."""
    from snakepit_bridge.runtime.worker import prepare_output
    from snakepit_bridge.safepath import forget_safe_path

    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for log in descriptors[:1]:
        os.dup2(log, 1)
        os.dup2(log, 2)
    for descriptor in descriptors:
        if descriptor > 2:
            os.close(descriptor)
    prepare_output()
    if "env" in go:
        os.environ.clear()
        os.environ.update(go["env"])
        forget_safe_path()
        mask = os.environ.get("SNAKEPIT_UMASK", "")
        if mask.isdecimal():
            os.umask(int(mask, 8))
    try:
        os.chdir(go.get("cwd") or ".")
    except OSError as error:
        # Not in another directory instead: relative paths would mean other files.
        print(f"snakepit_bridge: cannot change to {go.get('cwd')}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(EXIT_NOT_FOUND)


def _repeat(loaded: Imported) -> None:
    """What the adapter's import did to its process, in this one."""
    for name, value in loaded.env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if loaded.cwd is not None:
        with contextlib.suppress(OSError):
            os.chdir(loaded.cwd)


def _reseed() -> None:
    """Forked workers must not draw the same random numbers."""
    import random

    random.seed()
    for name in ("numpy.random", "torch.random"):
        seed = getattr(sys.modules.get(name), "seed", None)
        if callable(seed):
            seed()


# ------------------------------------------------------------------------------------------------ adapter templates


def _serve_adapter(go: dict[str, Any], channel: socket.socket) -> NoReturn:
    """Imports the adapter's class and serves forks that have it already."""
    from snakepit_bridge.describe import commands_of
    from snakepit_bridge.failures import Refusal
    from snakepit_bridge.resolve import no_commands, own_argv, resolve
    from snakepit_bridge.sharing import Snapshot, advice, other_threads

    own_argv(go["adapter"])
    before, template = Snapshot(), os.getpid()
    environ, cwd = dict(os.environ), os.getcwd()
    try:
        cls = resolve(go["adapter"], go.get("cwd") or None)
        commands = list(commands_of(cls))
    except Refusal as refusal:
        if os.getpid() == template:
            send(channel, {"ready": False, "failure": _failure_fields(refusal.failure)})
        os._exit(0)
    if os.getpid() != template:  # the adapter has forked, and this is the child
        os._exit(0)
    threads = other_threads()
    if threads:
        reason = "importing the adapter started a thread"
        send(channel, {"ready": False, "threads": threads, "reason": reason, "advice": advice(threads)})
        os._exit(0)
    _freeze()  # also closes what nothing refers to any more
    if obstacle := before.obstacle():
        send(channel, {"ready": False, "reason": obstacle})
        os._exit(0)
    note = {} if commands else {"note": no_commands(cls)}
    send(channel, {"ready": True, "commands": commands, **note})
    changed = {name for name in {*environ, *os.environ} if environ.get(name) != os.environ.get(name)}
    gone = os.getcwd()
    serve(channel, Imported(cls, {name: os.environ.get(name) for name in changed}, gone if gone != cwd else None))


def _failure_fields(reason: Any) -> dict[str, str]:
    from snakepit_bridge import worker_pb2 as pb

    return {
        "kind": pb.Failure.Kind.Name(reason.kind).lower(),
        "type": reason.type,
        "message": reason.message,
        "traceback": reason.traceback,
    }
