"""What an import has left in a template that its forks must not share: threads, processes, open descriptors.

A fork shares each open descriptor with its parent: two workers on one socket read each other's answers, and two on one
file move each other's position. A lock that another thread holds stays locked in the fork.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading

__all__ = ["Snapshot", "advice", "other_threads"]

_PLAIN_DEVICES = frozenset({"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
"""Reading and writing these changes nothing that another process sees."""
_O_PATH = getattr(os, "O_PATH", 0)


class Snapshot:
    """The open descriptors at one moment."""

    def __init__(self) -> None:
        self._before = _descriptors()

    def obstacle(self) -> str:
        """What has come since that must not be shared, in words; empty when there is nothing."""
        new = [number for number, key in _descriptors().items() if self._before.get(number) != key]
        found = [what for number in new if (what := _unfit(number))]
        if found:
            return f"importing the adapter left open: {', '.join(found[:5])}"
        children = _children()
        return f"importing the adapter started a process ({', '.join(children[:5])})" if children else ""


def _descriptors() -> dict[int, tuple[int, int]]:
    """Number → device and inode."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        names = os.listdir("/dev/fd")
    found = {}
    for number in map(int, names):
        try:
            about = os.fstat(number)
        except OSError:  # the one of this listing
            continue
        found[number] = (about.st_dev, about.st_ino)
    return found


def _unfit(number: int) -> str:
    """What the descriptor is; empty when workers may share it."""
    try:
        about = os.fstat(number)
        flags = fcntl.fcntl(number, fcntl.F_GETFL)
    except OSError:
        return ""
    name, kind = _target(number), about.st_mode
    if flags & _O_PATH or stat.S_ISDIR(kind) or (stat.S_ISCHR(kind) and name in _PLAIN_DEVICES):
        return ""
    if stat.S_ISREG(kind):
        access = flags & os.O_ACCMODE
        appends = access == os.O_WRONLY and flags & os.O_APPEND
        mapped = access == os.O_RDONLY and _mapped(about)
        return "" if appends or mapped else f"the file {name}"
    named = ((stat.S_ISSOCK, "a socket"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "the device"))
    word = next((text for test, text in named if test(kind)), "a descriptor")
    return f"{word} {name}".strip()


def _target(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return f"(descriptor {number})"


def _mapped(about: os.stat_result) -> bool:
    """Whether the file is mapped: a reader that maps it keeps it open, and needs no position in it."""
    wanted = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x} {about.st_ino} "
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            return any(wanted in line for line in maps)
    except OSError:
        return False


def _children() -> list[str]:
    """Names of the child processes of this thread."""
    try:
        with open("/proc/thread-self/children", encoding="ascii") as children:
            return [_name(f"/proc/{pid}") or pid for pid in children.read().split()]
    except OSError:
        return []


def other_threads() -> list[str]:
    """Names of all threads but this one. One of a C library has none, unless the library has given it one."""
    named = {one.native_id: one.name for one in threading.enumerate()}
    try:
        numbers = [int(one) for one in os.listdir("/proc/self/task")]
    except OSError:
        return [name for number, name in named.items() if number != threading.get_native_id()]
    own, others = _name("/proc/self"), [one for one in numbers if one != os.getpid()]
    return [named.get(one) or _of_library(_name(f"/proc/self/task/{one}"), own) for one in others]


def _of_library(name: str, own: str) -> str:
    """A thread that nobody names has the name of the process, which says nothing."""
    return name if name and name != own else "of a C library"


def advice(threads: list[str]) -> str:
    """How to have an import start none of these threads; empty when that is not known."""
    if any(name in {one.name for one in threading.enumerate()} for name in threads) or not _has_openblas():
        return ""
    return "numpy starts none with --env OPENBLAS_NUM_THREADS=1, but then computes on one processor"


def _has_openblas() -> bool:
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            return any("openblas" in line for line in maps)
    except OSError:
        return False


def _name(folder: str) -> str:
    try:
        with open(f"{folder}/comm", encoding="utf-8", errors="replace") as comm:
            return comm.read().strip()
    except OSError:
        return ""
