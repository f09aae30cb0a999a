"""Long arguments of a client's calls, in segments of its own, so that nobody copies them on their way."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from snakepit_cli.wire.binary import Buffer

ABOVE = 128 << 10
"""Bytes. Shorter arguments are sent as they are."""
WAIT_SECONDS = 60.0
"""How long a call without a timeout waits for room."""
_SMALLEST = 1 << 20
_STEP = 4 << 20
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Segment:
    """A file in shared memory. Owned until `ArgumentSegments.done` takes it back."""

    def __init__(self, path: str, size: int) -> None:
        """Makes it, with all its room reserved. Raises OSError."""
        self.path = path
        self.size = size
        self.descriptor = os.open(path, _FLAGS, 0o600)
        try:
            os.posix_fallocate(self.descriptor, 0, size)
        except BaseException:
            self.remove()
            raise

    def write(self, buffers: Sequence[Buffer]) -> dict[str, Any]:
        """Writes them one after the other; the reference to them. Raises OSError."""
        at = 0
        for one in buffers:
            view = memoryview(one).cast("B")
            while view.nbytes:
                written = os.pwrite(self.descriptor, view, at)
                at += written
                view = view[written:]
        about = os.fstat(self.descriptor)
        return {"path": self.path, "device": about.st_dev, "inode": about.st_ino, "offset": 0, "length": at}

    @property
    def is_kept(self) -> bool:
        """Whether a handler still uses its content: then the worker has removed the file's name."""
        return os.fstat(self.descriptor).st_nlink == 0

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        os.close(self.descriptor)


class Reserve(Protocol):
    """Asks the server for room for so many bytes in all; `wait` is how many seconds it may take to have that."""

    def __call__(self, count: int, *, wait: float) -> dict[str, Any] | None: ...


class ArgumentSegments:
    """The segments of one connection. The server removes them when the connection ends."""

    def __init__(self, reserve: Reserve, give_back: Callable[[int], object], *, smallest: int = _SMALLEST) -> None:
        """`give_back` tells the server how many bytes are enough from now on; `smallest` is the size of a segment for
        arguments that fit into it."""
        self._reserve = reserve
        self._smallest = smallest
        self._give_back = give_back
        self._numbers = itertools.count(1)
        self._free: list[Segment] = []
        self._held = 0
        """Bytes of all segments, used and free."""
        self._room = self._kept = 0
        self._prefix = ""
        self._none = False
        """There is no shared memory here."""

    def put(
        self, buffers: Sequence[Buffer], size: int, seconds: float = WAIT_SECONDS
    ) -> tuple[Segment, dict[str, Any]] | None:
        """Writes arguments of `size` bytes. None when they are to be sent as bytes. Arguments that are too long for
        that may wait for room, up to `seconds`."""
        if self._none or (segment := self._get(size, seconds)) is None:
            return None
        try:
            return segment, segment.write(buffers)
        except OSError:
            self._drop(segment)
            return None

    def done(self, segment: Segment) -> None:
        """The call is over: the segment can be used again, unless that would keep too much."""
        if segment.is_kept or self._held > self._kept:
            self.drop(segment)
        else:
            self._free.append(segment)

    def drop(self, segment: Segment) -> None:
        """Gives the segment up: a worker may still read it, so nothing else is written into it."""
        self._drop(segment)
        if self._room > self._kept >= self._held:
            self._room = self._kept
            self._give_back(self._kept)

    def _get(self, size: int, seconds: float) -> Segment | None:
        rounded = self._smallest if size <= self._smallest else -(-size // _STEP) * _STEP
        for one in self._free:
            if rounded <= one.size <= 4 * rounded:
                self._free.remove(one)
                return one
        while self._free and self._held + rounded > self._room:
            self._drop(self._free.pop(0))
        if self._held + rounded > self._room and not self._more(size, self._held + rounded, seconds):
            return None
        try:
            segment = Segment(f"{self._prefix}{next(self._numbers)}", rounded)
        except OSError:
            return None
        self._held += rounded
        return segment

    def _more(self, size: int, wanted: int, seconds: float) -> bool:
        """Asks for more room. Arguments that can travel as bytes do not wait for it."""
        facts = self._reserve(wanted, wait=0.0)
        if facts is not None and facts["bytes"] < wanted and size > facts["longest"]:
            facts = self._reserve(wanted, wait=seconds)
        if facts is None:
            self._none = True
            return False
        self._prefix = f"{facts['folder']}/{facts['name']}"
        self._room, self._kept = facts["bytes"], facts["kept"]
        return self._room >= wanted

    def _drop(self, segment: Segment) -> None:
        self._held -= segment.size
        segment.remove()

    def close(self) -> None:
        while self._free:
            self._drop(self._free.pop())
