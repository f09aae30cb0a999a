"""What to do when a file cannot be written, by what the system says."""

from __future__ import annotations

import errno

_PERMISSION = "change its permissions, or write it somewhere else"
_ROOM = "make room, or write it somewhere else"
_HINTS = {
    errno.ENOENT: "create the directory first, or write it somewhere else",
    errno.ENOTDIR: "a part of the path is a file: write it somewhere else",
    errno.EISDIR: "name a file in that directory",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: "write it somewhere else: nothing there can be changed",
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit of `ulimit -f`, or write less",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "its symbolic links lead in a circle: write it somewhere else",
}


def write_hint(number: int | None) -> str:
    """`number` is the errno; None when the name cannot be one of a file."""
    return _HINTS.get(number or errno.EINVAL, "write it somewhere else")
