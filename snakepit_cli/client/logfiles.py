"""The logs of an instance: files that are capped by rotation (NAME.log, and its older half NAME.log.1)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError

ALWAYS = frozenset({"server", "warden"})
"""Who is known even when he has written nothing."""
_BLOCK = 1 << 16


def folder(instance: str) -> str:
    return f"{paths.state_dir(instance)}/logs"


def names(instance: str) -> list[str]:
    """Of whom there are logs."""
    try:
        found = os.listdir(folder(instance))
    except OSError:
        return []
    return sorted(name.removesuffix(".log") for name in found if name.endswith(".log"))


def known(instance: str, name: str) -> str:
    """The log's name as its file has it. Raises PitError when there is none."""
    file = name.replace(":", "-")
    found = names(instance)
    if file in found or (name in ALWAYS and os.path.isdir(folder(instance))):
        return file
    there = f"there are: {', '.join(found[-12:])}" if found else f"there are none in {folder(instance)}"
    raise PitError("input_not_found", f"no log of {name!r}; {there}", hint="list workers with `snakepit workers`")


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
