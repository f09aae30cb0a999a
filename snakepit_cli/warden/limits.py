"""The limit of open files: the warden needs two or three for each worker, more than the usual soft limit.

The soft limit is low because of programs that use select(2), so only the warden and the server raise theirs. Workers
and templates get the one back that the caller had.
"""

from __future__ import annotations

import errno
import resource

RESERVE = 32
"""Descriptors that workers cannot use up: to write the registry and the logs, and to start another server."""

Limit = tuple[int, int]
"""Soft and hard."""


def raise_open_files() -> Limit:
    """Raises the soft limit to the hard one; returns what they were."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    except (OSError, ValueError):
        pass  # the old limit stays
    return before


def restore_open_files(limit: Limit) -> None:
    """Restores the caller's limit in a child. Raises OSError, ValueError."""
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def leave_reserve(descriptor: int) -> None:
    """Raises OSError (EMFILE) when a new descriptor shows that only the reserve is left.

    The kernel gives the lowest free number.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and descriptor >= soft - RESERVE:
        raise OSError(errno.EMFILE, "Too many open files")


def why(error: Exception) -> str:
    """In words, with the limit when that is what was reached."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno == errno.EMFILE:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return f"{error.strerror}: the limit is {soft}; raise the hard limit (`ulimit -Hn`) and start the server again"
    return error.strerror or str(error)
