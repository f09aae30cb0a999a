"""What a descriptor is that input comes from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from snakepit_cli.base.errors import PitError

_PIPE = 1 << 20
"""Bytes: the default of /proc/sys/fs/pipe-max-size."""


def waits(descriptor: int) -> bool:
    """Whether input can be late: a pipe, terminal or socket, which select understands; not a file or `/dev/null`."""
    kind = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or (stat.S_ISCHR(kind) and os.isatty(descriptor))


def is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def read(descriptor: int, most: int, begun: int | None) -> bytes:
    """The next bytes of the input, which had `begun` bytes at first; none at its end. Raises PitError.

    The end of a file that has become shorter is not the end of the input: the last line may be cut in the middle of a
    number and still be valid JSON. Files that the kernel makes when they are read (/proc) always have 0 bytes.
    """
    try:
        data = os.read(descriptor, most)
        if not data and is_file(descriptor):
            at, size = os.lseek(descriptor, 0, os.SEEK_CUR), os.fstat(descriptor).st_size
            largest = max(at, begun or 0)
            if size < largest and (size or begun):
                raise PitError("reference_failed", f"the input was shortened to {size:,} bytes; it had {largest:,}")
    except OSError as error:
        raise PitError("input_not_found", f"cannot read the input: {error.strerror}") from None
    return data


def widen(descriptor: int) -> None:
    """Lets a pipe hold as much as any process may ask for, so that the process at its other end waits less often."""
    with contextlib.suppress(OSError):  # it is not a pipe, or this user has too many large ones
        if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < _PIPE:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE)
