"""Segments of this worker: files in shared memory that hold long answers, so that nobody copies them on their way."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Callable

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.binary import Buffer
from snakepit_bridge.runtime import journal
from snakepit_bridge.runtime.journal import Journal

__all__ = ["Segments"]

SMALLEST = 1 << 16
STEP = 4 << 20
"""Bytes by which sizes of large segments differ."""
PATIENCE = 2.0
"""Seconds that the server gets to grant more room."""
MOST_KEPT = 64
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class _Segment:
    __slots__ = ("__weakref__", "close", "descriptor", "device", "inode", "path", "size")

    def __init__(self, path: str, size: int) -> None:
        """Makes it, with all its room reserved. Raises OSError."""
        self.path = path
        self.size = size
        self.descriptor = os.open(path, _FLAGS, 0o600)
        self.close = weakref.finalize(self, os.close, self.descriptor)
        try:
            os.posix_fallocate(self.descriptor, 0, size)
            found = os.fstat(self.descriptor)
        except BaseException:
            self.remove()
            raise
        self.device, self.inode = found.st_dev, found.st_ino

    def write(self, parts: Sequence[Buffer]) -> int:
        """Bytes that they are. Raises OSError."""
        at = 0
        for part in parts:
            view = memoryview(part).cast("B")
            while view.nbytes:
                written = os.pwrite(self.descriptor, view, at)
                at += written
                view = view[written:]
        return at

    @property
    def is_nameless(self) -> bool:
        """Whether its name has been removed, because what it holds may be read although it was released."""
        return os.fstat(self.descriptor).st_nlink == 0

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self.close()


class Segments:
    """Those of one stream to the server. Written by one thread at a time; the reading thread calls the last three."""

    def __init__(self, welcome: pb.Welcome, ask: Callable[[int], None]) -> None:
        """`ask` asks the server for room for so many bytes in all."""
        self._folder = welcome.segments
        self._prefix = f"{welcome.segments}/{welcome.segment_name}"
        self._kept = self._room = welcome.segment_bytes
        self.above = welcome.reference_above
        """A payload of fewer bytes is sent as bytes."""
        self._ask = ask
        self._numbers = itertools.count(1)
        self._free: list[_Segment] = []
        self._lent: dict[str, _Segment] = {}
        self._back: deque[str] = deque()
        self._answers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._held = 0
        """Bytes of all segments."""
        self._lock = threading.Lock()
        """Held where `_free`, `_back` or `_held` is changed: the reading thread takes back the last of a burst."""
        self._over = False
        self.can_be_read = bool(self._folder) and os.access(self._folder, os.R_OK | os.X_OK)
        """Whether segments of other workers are within reach."""
        self._journal: Journal | None = None

    def put(self, parts: Sequence[Buffer], *, ask: bool = True) -> pb.Reference | None:
        """Writes a payload and lends it. None when it is to be sent as bytes: it is short, or there is no room.
        `ask`: the server is asked for more room, which may take `PATIENCE`."""
        size = sum(map(len, parts))
        if size < self.above or self._over:
            return None
        with self._lock:
            self._take_back()
        segment = self._get(size, ask=ask)
        if segment is None:
            return None
        try:
            segment.write(parts)
        except OSError:
            with self._lock:
                self._drop(segment)
            return None
        self._lent[segment.path] = segment
        return pb.Reference(path=segment.path, device=segment.device, inode=segment.inode, offset=0, length=size)

    def has(self, path: str) -> bool:
        """Whether it is a segment, of whatever owner."""
        return path.startswith(f"{self._folder}/")

    def journal(self) -> Journal | None:
        """For answers that are not sent yet; None when there is no room for one."""
        if self._journal is None and not self._over and self._held + journal.SIZE <= self._room:
            try:
                self._journal = Journal(f"{self._prefix}journal")
            except OSError:
                return None
            with self._lock:
                self._held += journal.SIZE
        return None if self._over else self._journal

    def _get(self, size: int, *, ask: bool) -> _Segment | None:
        rounded = _rounded(size)
        with self._lock:
            fitting = [one for one in self._free if one.size >= size]
            if fitting:
                # Not one that is much larger: a later payload may need that.
                best = min(fitting, key=lambda one: one.size)
                if best.size <= 4 * max(size, SMALLEST):
                    self._free.remove(best)
                    return best
            while self._held + rounded > self._room and self._free:
                self._drop(self._free.pop(0))
        if self._held + rounded > self._room and not (ask and self._more(self._held + rounded)):
            return None
        try:
            segment = _Segment(f"{self._prefix}{next(self._numbers)}", rounded)
        except OSError:
            return None
        with self._lock:
            self._held += rounded
        return segment

    def _more(self, wanted: int) -> bool:
        while not self._answers.empty():
            self._answers.get()
        self._ask(wanted)
        with contextlib.suppress(queue.Empty):
            self._room = self._answers.get(timeout=PATIENCE)
        return self._room >= wanted

    def _take_back(self) -> None:
        while self._back:
            segment = self._lent.pop(self._back.popleft(), None)
            if segment is not None and (segment.size > self._kept or segment.is_nameless):
                self._drop(segment)
            elif segment is not None:
                self._free.append(segment)
        if not self._lent:
            self._room = self._kept  # the server thinks so, too
        while self._free and (self._held > self._room or len(self._free) > MOST_KEPT):
            self._drop(self._free.pop(0))

    def _drop(self, segment: _Segment) -> None:
        self._held -= segment.size
        segment.remove()

    # -------------------------------------------------------------------------------- the reading thread

    def released(self, paths: Sequence[str]) -> None:
        """Nobody reads these any more."""
        with self._lock:
            for path in paths:
                segment = self._lent.get(path)
                if segment is not None and segment.size > self._kept and not segment.is_nameless:
                    with contextlib.suppress(OSError):
                        os.ftruncate(segment.descriptor, 0)  # its memory is free at once, not with the next payload
                self._back.append(path)
            if len(self._back) >= len(self._lent):
                self._take_back()  # at once: there may be no next payload, and the server reckons with what it keeps

    def granted(self, count: int) -> None:
        """The server's answer."""
        self._answers.put(count)

    def lost(self) -> None:
        """The stream has ended: the server removes them all."""
        self._over = True
        self._answers.put(0)


def _rounded(size: int) -> int:
    """A size that serves many payloads."""
    if size > STEP:
        return -(-size // STEP) * STEP
    return max(SMALLEST, 1 << (size - 1).bit_length())
