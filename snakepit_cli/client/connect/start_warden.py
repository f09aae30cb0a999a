"""Starts the warden by its command line, and reads from a pipe whether it accepts or why not.

It inherits nothing of ours but that pipe: `out=$(snakepit up)` ends when the client does.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.launch.environment import CALLERS, UMASK, umask

_NOTICE_SECONDS = 0.3
_LINES = 20
_TAIL_BYTES = 8192
# What the warden and its kin tell their children. A client inside a worker must not hand it on.
_NOT_OURS = {
    "SNAKEPIT_COOKIE", "SNAKEPIT_RUN", "SNAKEPIT_WORKER_ID", "SNAKEPIT_GATEWAY", "SNAKEPIT_SESSION", "SNAKEPIT_POOL",
    *CALLERS.values(),
}  # fmt: skip
_OURS = ("snakepit_cli", "msgspec")
"""What the warden and the server are, and need: they run from a folder that has it, whatever else is there."""
_DIRECTORIES = ("SNAKEPIT_RUNTIME_DIR", "SNAKEPIT_STATE_DIR", "SNAKEPIT_CONFIG")


class Places(NamedTuple):
    """Where the start of one instance happens."""

    instance: str
    state: str


def prepare(instance: str) -> Places:
    """The directories that a server needs, made or checked. Raises PitError."""
    try:
        runtime, state = paths.runtime_dir(instance), paths.state_dir(instance)
        for folder in (runtime, state, f"{state}/logs"):
            paths.secure(folder)
    except paths.PathError as error:
        raise PitError("unsafe_directory", str(error)) from None
    return Places(instance, state)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakepit_cli.warden", *arguments]


def environment(instance: str) -> dict[str, str]:
    """Ours without what belongs to a worker. It runs in `/`, so relative paths are resolved here."""
    env = {k: v for k, v in os.environ.items() if k not in _NOT_OURS and not _descriptor(k)}
    for name in _DIRECTORIES:
        if env.get(name):
            env[name] = os.path.abspath(env[name])
    if env.get("PYTHONPATH"):
        env["PYTHONPATH"] = os.pathsep.join(os.path.abspath(p) for p in env["PYTHONPATH"].split(os.pathsep) if p)
    _keep_for_workers(env)
    env["SNAKEPIT_INSTANCE"] = instance
    env[UMASK] = umask()
    return env


def _keep_for_workers(env: dict[str, str]) -> None:
    """What would break an interpreter of ours is put by: only workers get it."""
    fit = {"PYTHONPATH": os.pathsep.join(p for p in env.get("PYTHONPATH", "").split(os.pathsep) if not _shadows(p))}
    if sys.flags.ignore_environment:  # the script's; else we live with it ourselves
        fit["PYTHONHOME"] = ""
    for name, value in fit.items():
        if env.get(name, "") != value:
            env[CALLERS[name]] = env.pop(name)
            if value:
                env[name] = value


def _shadows(folder: str) -> bool:
    """It has modules named like those of the standard library, which Python would import instead."""
    try:
        found = {name.removesuffix(".py") for name in os.listdir(folder)}
    except OSError:
        return False
    return found.isdisjoint(_OURS) and not found.isdisjoint(sys.stdlib_module_names)


def _descriptor(name: str) -> bool:
    return name.startswith("SNAKEPIT_") and name.endswith("_FD")


def warden(places: Places, deadline: float, notice: Callable[[], None]) -> str | None:
    """Path of the front socket of the new server, or None when another warden holds the instance.

    Raises PitError.
    """
    ours, theirs = os.pipe()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        log = os.open(f"{places.state}/logs/warden.log", flags, 0o600)
        process = subprocess.Popen(
            command("run", "--instance", places.instance, "--ready-fd", str(theirs)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd="/",
            env=environment(places.instance), pass_fds=[theirs], start_new_session=True,
        )  # fmt: skip
        os.close(log)
    except OSError as error:
        os.close(theirs)
        os.close(ours)
        raise PitError("unavailable", f"the server cannot be started: {error.strerror}") from None
    os.close(theirs)
    try:
        line = _line(ours, deadline, notice)
    finally:
        os.close(ours)
    if line is None:
        process.terminate()
    _disown(process)
    if line is None:
        raise too_slow(places, None)
    return _verdict(line, places)


def _disown(process: subprocess.Popen[bytes]) -> None:
    """It outlives us; Popen would warn about that."""
    process.poll()
    if process.returncode is None:
        process.returncode = 0


def _line(descriptor: int, deadline: float, notice: Callable[[], None]) -> bytes | None:
    """What the warden says; empty when it ended without a word; None at the deadline."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(_NOTICE_SECONDS * 1000):
        notice()
    data = b""
    while not data.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        part = os.read(descriptor, 65536)
        if not part:
            break
        data += part
    return data


def _verdict(line: bytes, places: Places) -> str | None:
    try:
        said = json.loads(line)
    except ValueError:
        said = {}
    if said.get("locked"):
        return None
    if said.get("accepting"):
        return str(said["accepting"])
    if isinstance(said.get("error"), dict):
        raise PitError.from_dict(said["error"])
    raise PitError("unavailable", "the server ended while it was starting", log=list(log_tail(places, "warden")))


def too_slow(places: Places, seconds: float | None) -> PitError:
    within = "in time" if seconds is None else f"within {seconds:.0f} s"
    log = [*log_tail(places, "warden"), *log_tail(places, "server")]
    return PitError(
        "startup_timeout", f"the server did not start {within}", log=log,
        hint=f"read {places.state}/logs, or run `snakepit server run` to see what it does",
    )  # fmt: skip


def log_tail(places: Places, name: str) -> Iterator[str]:
    try:
        with open(f"{places.state}/logs/{name}.log", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return
    yield from text.splitlines()[-_LINES:]
