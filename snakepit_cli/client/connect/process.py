"""A process of an instance, held by a descriptor: a number could be another process's by the time it is used.

A number from another process is worse: in a container that shares our directories it counts in another PID namespace,
and here it may belong to a stranger. So the warden is found through the kernel (which process listens on
this socket, which is its parent) or by its full identity, and its command line must say that it is a warden.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys

from snakepit_cli.base import identity as ident
from snakepit_cli.base.errors import PitError
from snakepit_cli.base.identity import Identity

_SO_PEERPIDFD = 77
"""Linux 6.5."""
_PROGRAM = b"snakepit_cli.warden"


class Process:
    """Owns the descriptor. Leaving the context closes it."""

    def __init__(self, descriptor: int, instance: str) -> None:
        self._fd = descriptor
        self._instance = instance
        self.pid = _number(descriptor)
        """In our PID namespace; 0 when it is in another one, -1 when it has ended."""

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def signal(self, number: int) -> None:
        """Raises PitError when it is in another PID namespace."""
        if self.pid == 0:
            raise elsewhere(self._instance)
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            pass

    def ended(self, seconds: float) -> bool:
        """Waits for its end."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def parent(self) -> Process | None:
        """The process above it, when that is a warden of the instance or its keeper, and both live."""
        found = ident.stat(self.pid) if self.pid > 0 else None
        if found is None or not is_warden(found.ppid, self._instance):
            return None
        try:
            above = Process(os.pidfd_open(found.ppid), self._instance)
        except OSError:
            return None
        # While this one lives and has this parent, the number was the parent's when it was opened.
        if (again := ident.stat(self.pid)) is None or again.ppid != found.ppid or self.ended(0):
            above.__exit__()
            return None
        return above


def behind(sock: socket.socket, instance: str) -> Process | None:
    """The warden of the server at the other end of a connection; None when it has ended.

    From another PID namespace it cannot be seen: then it is the server, which ends with it. Raises PitError when
    something else listens there, or when the kernel is too old to tell.
    """
    listens = _listening(sock, instance)
    if listens is None or listens.pid == 0 or is_warden(listens.pid, instance):
        return listens
    with listens:
        if (warden := listens.parent()) is not None or listens.ended(0):
            return warden
    message = f"pid {listens.pid} listens on the socket of instance {instance}, but has no warden above it"
    raise PitError("unavailable", message, hint="nothing was ended; look at it with `ps`")


def _listening(sock: socket.socket, instance: str) -> Process | None:
    try:
        return Process(sock.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD), instance)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # an older kernel, or (before 6.16) a listener that has ended
    pid = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)
    if pid == 0:
        raise elsewhere(instance)
    try:
        return Process(os.pidfd_open(pid), instance)
    except ProcessLookupError:
        return None


def identified(facts: object, instance: str) -> Process | None:
    """The warden of this identity; None when it has ended, or when no such thing is there. Raises PitError."""
    try:
        identity = Identity(**facts)  # type: ignore[arg-type]
    except TypeError:
        return None
    if identity.boot == ident.boot_id() and identity.pidns != ident.pid_namespace():
        raise elsewhere(instance)
    descriptor = ident.open_verified(identity)
    if descriptor is None:
        return None
    process = Process(descriptor, instance)
    if is_warden(process.pid, instance):
        return process
    process.__exit__()
    return None


def elsewhere(instance: str) -> PitError:
    message = f"the server of instance {instance} runs in another PID namespace (a container?): it cannot be ended here"
    return PitError("unavailable", message, hint="run `snakepit down` where it was started")


def is_warden(pid: int, instance: str) -> bool:
    """By its owner and its command line."""
    try:
        mine = os.stat(f"/proc/{pid}").st_uid == os.geteuid()
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return False
    return mine and _PROGRAM in words and instance.encode() in words


def _number(descriptor: int) -> int:
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("Pid:")), -1)
