"""The logs of an instance: files that are capped by rotation (NAME.log, and its older half NAME.log.1)."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.base.ids import WorkerId, pool_of

ALWAYS = frozenset({"server", "warden"})
"""Known even when they have written nothing."""
_BLOCK = 1 << 16
_MOST_LINES = 1 << 22
"""More than two files have: see warden/records/logs.py."""
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ")


def folder(instance: str) -> str:
    return f"{paths.state_dir(instance)}/logs"


def names(instance: str, alive: Collection[str] = ()) -> list[str]:
    """Workers that have logs; those that have ended last. `alive` are the workers that run."""
    try:
        found = os.listdir(folder(instance))
    except OSError:
        return []
    logs = [name.removesuffix(".log") for name in found if name.endswith(".log")]
    return sorted(logs, key=lambda name: (name not in ALWAYS, name not in alive, _sorted(name)))


def _sorted(name: str) -> tuple[str, int]:
    """`words-9` comes before `words-10`."""
    return WorkerId.parse(name) or (name, 0)


def of(instance: str, name: str, alive: Collection[str] = ()) -> list[str]:
    """The logs of a worker, or of all workers of a pool, also when they have written nothing.

    Raises PitError when no process of this name is known.
    """
    file = name.replace(":", "-")
    found = names(instance, alive)
    if file in found or file in alive or (name in ALWAYS and os.path.isdir(folder(instance))):
        return [file]
    if of_pool := [one for one in found if pool_of(one) == name]:
        return of_pool
    if any(pool_of(one) == name for one in alive):
        return []
    there = f"there are: {', '.join(found[-12:])}" if found else f"there are none in {folder(instance)}"
    raise PitError("input_not_found", f"no log of {name!r}; {there}", hint="list workers with `snakepit workers`")


def since(instance: str, name: str, stamp: str) -> list[bytes]:
    """Lines from this time on (as ISO 8601 in UTC). A line without a time belongs to the one before it."""
    found = tail(instance, name, _MOST_LINES)
    start, first = len(found), stamp.encode()
    for at in range(len(found) - 1, -1, -1):
        if _STAMP.match(found[at]):
            if found[at][: len(first)] < first:
                break
            start = at
    return found[start:]


def tail(instance: str, name: str, lines: int) -> list[bytes]:
    """The last lines, those of the older half included."""
    path = f"{folder(instance)}/{name}.log"
    found = _last(path, lines)
    if len(found) < lines:
        found = _last(f"{path}.1", lines - len(found)) + found
    return found


def _last(path: str, lines: int) -> list[bytes]:
    """Reads backwards in blocks: the end of a large file costs no more than that of a small one."""
    try:
        with open(path, "rb") as file:
            at = file.seek(0, os.SEEK_END)
            data = b""
            while at and data.count(b"\n") <= lines:
                at, before = max(0, at - _BLOCK), at
                file.seek(at)
                data = file.read(before - at) + data
    except OSError:
        return []
    return data.splitlines()[-lines:] if lines else []


class Follower:
    """What is appended to one log after it was opened, through any number of rotations."""

    def __init__(self, instance: str, name: str) -> None:
        self.name = name
        self._path = f"{folder(instance)}/{name}.log"
        self._file: int | None = None
        self._rest = b""

    def skip(self) -> None:
        """Begins at the end of what is there now."""
        self._open()
        if self._file is not None:
            os.lseek(self._file, 0, os.SEEK_END)

    def read(self) -> Iterator[bytes]:
        """Lines that came since the last call, whole ones."""
        while True:
            if self._file is None and not self._open():
                return
            yield from self._drain()
            if not self._rotated():
                return
            # Written between our last read and the rename: it went into the file that we still hold.
            yield from self._drain()
            self.close()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        return True

    def _drain(self) -> Iterator[bytes]:
        while self._file is not None and (data := os.read(self._file, _BLOCK)):
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from whole

    def _rotated(self) -> bool:
        if self._file is None:
            return False
        try:
            return os.stat(self._path).st_ino != os.fstat(self._file).st_ino
        except OSError:
            return False  # it is between its two names, or pruned: the next turn sees which
