"""What a descriptor is that input comes from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

_PIPE = 1 << 20
"""Bytes: the default of /proc/sys/fs/pipe-max-size."""


def waits(descriptor: int) -> bool:
    """Whether input can be late: a pipe, terminal or socket, which select understands; not a file or `/dev/null`."""
    kind = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or (stat.S_ISCHR(kind) and os.isatty(descriptor))


def is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def widen(descriptor: int) -> None:
    """Lets a pipe hold as much as any process may ask for: who is at its other end has not to wait for us so often."""
    with contextlib.suppress(OSError):  # it is no pipe, or this user has too many of them
        if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < _PIPE:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE)
