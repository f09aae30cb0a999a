"""What a descriptor is that input comes from."""

from __future__ import annotations

import os
import stat


def waits(descriptor: int) -> bool:
    """Whether input can be late: a pipe, terminal or socket, which select understands; not a file or `/dev/null`."""
    kind = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or (stat.S_ISCHR(kind) and os.isatty(descriptor))


def is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
