"""What `ps` shows: the process title, written in place over the arguments.

Only the memory of the arguments is used, never the environment behind it: the environment block is how lost
processes are recognised. `--title-room` on the command line makes the room. Every failure is silent.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["set_title"]

PR_SET_NAME = 15


def set_title(title: str, name: str) -> None:
    """Sets the title (as long as there is room) and the short name (15 bytes)."""
    if not sys.platform.startswith("linux"):
        return
    try:
        start, end = _argument_area()
        if 0 < start < end:
            text = title.encode("utf-8", "replace")[: end - start - 1]
            ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode("utf-8", "replace")[:15] + b"\0", 0, 0, 0)
    except Exception:  # noqa: BLE001, S110 - a title is never worth an error
        pass


def _argument_area() -> tuple[int, int]:
    """arg_start and arg_end: fields 48 and 49; the second field may contain anything, so count after its end."""
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])
