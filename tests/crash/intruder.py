"""Another user that knows every path and pid: what it tries, in a child that has given up all rights."""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOBODY = 65534
_SECONDS = 0.15
"""The server hangs up at once."""
_PTRACE_ATTACH, _PIDFD_GETFD, _VM_READV = 16, 438, 310
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Target:
    runtime: Path
    state: Path
    pids: tuple[int, ...]
    roots: tuple[Path, ...]
    """Where nothing may be readable or writable for others."""


Attempt = Callable[[Target], Any]
"""Something that tells of success, or nothing; an OSError is a failed attempt."""


def as_nobody(action: Callable[[], Any]) -> Any:
    """What the action returns, as JSON can say it, done by uid 65534; None for an OSError."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _drop()
            os.write(write, json.dumps(_tried(action)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else "the intruder died"


def _drop() -> None:
    os.chdir("/")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _tried(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except OSError:
        return None


# ------------------------------------------------------------------------------------------------ by path


def _read(name: str) -> Attempt:
    return lambda target: (target.state / name).read_bytes()[:50].hex()


def _connect(name: str) -> Attempt:
    def attempt(target: Target) -> str:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(target.runtime / name))
        return "connected"

    return attempt


def _through_proc(target: Target) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"/proc/{target.pids[0]}/root{target.runtime}/front.sock")
    return "connected"


def _create(target: Target) -> str:
    (target.runtime / "planted").touch()
    return "created"


def _replace_socket(target: Target) -> str:
    (target.runtime / "front.sock").unlink()
    return "unlinked"


def _rename(which: Callable[[Target], Path]) -> Attempt:
    def attempt(target: Target) -> str:
        folder = which(target)
        folder.rename(folder.with_name("taken"))
        return "renamed"

    return attempt


def _lock(target: Target) -> str:
    with open(target.state / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return "locked"


def _open_to_others(target: Target) -> list[str]:
    found = []
    for root in target.roots:
        for folder, _, files in os.walk(root):
            if root != Path(folder) and os.access(folder, os.W_OK):
                found.append(folder)
            found += [one for name in files if os.access(one := f"{folder}/{name}", os.R_OK)]
    return found


def _abstract(_: Target) -> list[str]:
    names = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
    return [name for name in names if name.startswith("@") and ("snakepit" in name or "front" in name)]


# ------------------------------------------------------------------------------------------------- by pid


def _each(action: Callable[[int], Any]) -> Attempt:
    """The pids with which it worked."""

    def attempt(target: Target) -> list[int]:
        return [pid for pid in target.pids if _tried(lambda pid=pid: action(pid)) is not None]  # type: ignore[misc]

    return attempt


def _proc(name: str) -> Attempt:
    def action(pid: int) -> Any:
        path = f"/proc/{pid}/{name}"
        return os.listdir(path) if os.path.isdir(path) else (Path(path).read_bytes()[:50].hex() or None)

    return _each(action)


def _link(name: str) -> Attempt:
    return _each(lambda pid: os.readlink(f"/proc/{pid}/{name}"))


def _memory(pid: int) -> str:
    with open(f"/proc/{pid}/mem", "r+b"):
        return "opened"


def _checked(result: int) -> str:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return "done"


def _signal(number: int) -> Attempt:
    def action(pid: int) -> str:
        os.kill(pid, number)
        return "sent"

    return _each(action)


def _pidfd_signal(pid: int) -> str:
    signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)
    return "sent"


def _steal(pid: int) -> str:
    return _checked(_libc.syscall(_PIDFD_GETFD, os.pidfd_open(pid), 3, 0))


def _peek(pid: int) -> str:
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_size_t * 2)(0x400000, 8)
    return _checked(_libc.syscall(_VM_READV, pid, local, 1, remote, 1, 0))


def _limit(pid: int) -> str:
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3))
    return "limited"


def _nice(pid: int) -> str:
    os.setpriority(os.PRIO_PROCESS, pid, 19)
    return "slowed"


def _pinned(pid: int) -> str:
    os.sched_setaffinity(pid, {0})
    return "pinned"


ATTEMPTS: dict[str, Attempt] = {
    "list the runtime directory": lambda target: os.listdir(target.runtime),
    "list the state directory": lambda target: os.listdir(target.state),
    "connect to the front": _connect("front.sock"),
    "connect to the gateway": _connect("gateway.sock"),
    "connect through /proc/PID/root": _through_proc,
    "read the cookie": _read("cookie"),
    "read the registry": _read("registry.db"),
    "read the endpoint": _read("endpoint.json"),
    "read the warden's log": _read("logs/warden.log"),
    "read a worker's log": _read("logs/default-1.log"),
    "create a file beside the sockets": _create,
    "remove a socket": _replace_socket,
    "rename the instance's directory": _rename(lambda target: target.runtime),
    "rename the runtime directory": _rename(lambda target: target.runtime.parent),
    "rename the state directory": _rename(lambda target: target.state.parent),
    "rename what is above it": _rename(lambda target: target.state.parent.parent),
    "hold the lock": _lock,
    "find something that is open to others": _open_to_others,
    "find an abstract socket": _abstract,
    "read environments": _proc("environ"),
    "list descriptors": _proc("fd"),
    "read memory maps": _proc("maps"),
    "follow working directories": _link("cwd"),
    "follow executables": _link("exe"),
    "open memory": _each(_memory),
    "read memory": _each(_peek),
    "trace": _each(lambda pid: _checked(_libc.ptrace(_PTRACE_ATTACH, pid, None, None))),
    "kill": _signal(signal.SIGKILL),
    "stop": _signal(signal.SIGSTOP),
    "ask to end": _signal(signal.SIGTERM),
    "kill by descriptor": _each(_pidfd_signal),
    "steal a descriptor": _each(_steal),
    "limit": _each(_limit),
    "slow down": _each(_nice),
    "pin to a processor": _each(_pinned),
}


# --------------------------------------------------------------- when every user may write into the directory


def say(path: Path, *frames: bytes, forged: bool = False) -> Iterator[str]:
    """What the server answers to bytes from another user, in hexadecimal; nothing when it hangs up."""
    for frame in frames:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_SECONDS)
            sock.connect(str(path))
            try:
                if forged:
                    credentials = (socket.SOL_SOCKET, 2, array.array("b", struct.pack("3i", os.getppid(), 0, 0)))
                    sock.sendmsg([frame], [credentials])
                else:
                    sock.sendall(frame)
                while said := sock.recv(65536):
                    yield said[:60].hex()
            except OSError:
                continue
