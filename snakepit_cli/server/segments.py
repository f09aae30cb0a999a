"""Segments, as the server sees them: who owns how much shared memory, and what is being read.

A segment is a file in the instance's directory in shared memory (base.shared_memory). Its owner, a worker or a client,
makes it and writes it; the server hands on references to it and looks inside of none. From the message that refers to
a worker's segment until its reader has released it the segment belongs to the reader. When an owner has gone its
segments are removed, those that are being read when they are released.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from snakepit_cli.wire import worker_pb2 as pb

REFERENCE_ABOVE = 128 << 10
"""Bytes. Measured: see "Bytes or reference" in docs/operations/performance.md."""
_MOST_KEPT = 64 << 20
"""Bytes that a worker may have without asking for them."""
_PARTS = 16
"""One of so many parts of the quota is what an owner may have without asking."""


_JOURNAL = struct.Struct("<4Q")
_LONGEST_JOURNAL = 4 << 20


class Journal(NamedTuple):
    """Answers that a worker had not sent: docs/reference/worker-contract.md says where it keeps them."""

    call: int
    sent: int
    """Answers to the same call that it had sent before."""
    lines: bytes

    def after(self, answered: int) -> bytes:
        """What follows the first `answered` answers; nothing when there is a gap."""
        known = answered - self.sent
        if not 0 <= known <= self.lines.count(b"\n"):
            return b""
        return self.lines.split(b"\n", known)[known]


class ForeignSegmentError(Exception):
    """An owner refers to a file that is not one of its segments."""


class Segments:
    """The segments of one server. `folder` None: there is no shared memory, and every payload travels as bytes."""

    def __init__(self, folder: Path | None, quota: int | None = None) -> None:
        """`quota`: bytes of all segments together; None for a quarter of the file system. Raises OSError."""
        self.folder = folder
        self.quota = 0 if folder is None else _quarter(folder) if quota is None else quota
        self.owners: dict[str, Owner] = {}
        self.room = asyncio.Event()
        """Set when there may be more room than before."""
        self._turn = asyncio.Lock()
        self._numbers = itertools.count(1)

    @classmethod
    def of(cls, folder: str | None, quota: int | None) -> Segments:
        """Segments in the instance's folder of shared memory; without shared memory where there is none."""
        try:
            return cls(None if folder is None else Path(folder), quota)
        except OSError:
            return cls(None)

    @property
    def granted(self) -> int:
        """Bytes that all owners together may have."""
        return sum(one.granted for one in self.owners.values())

    async def grant(self, owner: Owner, size: int) -> int:
        """As `Owner.grant`, but waits until there is room; requests are served in order. Less when there would be none
        even if all others had no more than their shares."""
        async with self._turn:
            while owner.grant(size) < size <= self.most(owner):
                self.room.clear()
                await self.room.wait()
        return owner.granted

    def most(self, owner: Owner) -> int:
        """Bytes that it gets when it waits for long enough."""
        return self.quota - self._shares(owner)

    def _shares(self, without: Owner | None = None) -> int:
        """Bytes that are promised to the owners for as long as they live."""
        return sum(one.kept for one in self.owners.values() if one is not without)

    @property
    def free(self) -> int:
        return max(0, self.quota - self.granted)

    def owner(self, name: str, tell: Callable[[str], None] | None = None) -> Owner:
        """A new owner. `tell` is called with the path of each segment of its that was released."""
        # Half of the quota is for owners that need more than their share.
        kept = min(self.quota // _PARTS, _MOST_KEPT, self.free, max(0, self.quota // 2 - self._shares()))
        owner = Owner(self, f"{name}-{next(self._numbers)}-", kept, tell)
        self.owners[owner.prefix] = owner
        self.room.set()  # waiting owners look again whether there can be enough for them
        return owner


class Owner:
    """A worker or client that may make segments."""

    def __init__(self, segments: Segments, prefix: str, kept: int, tell: Callable[[str], None] | None) -> None:
        self._segments = segments
        self.kept = kept
        """Bytes that it may use for as long as it lives."""
        self.prefix = prefix
        """The names of its segments begin with this; a number follows."""
        self.granted = kept
        """Bytes that it may use now."""
        self._tell = tell
        self._lent: dict[str, int] = {}
        """Length of each of its segments that is being read, by path."""

    def facts(self) -> dict[str, Any]:
        """What a client is told that it may make."""
        return {"folder": str(self._segments.folder), "name": self.prefix, "bytes": self.granted, "kept": self.kept}

    def introduce(self, welcome: pb.Welcome) -> None:
        """Tells a worker what it may make. Nothing when there is no room."""
        if self.granted >= REFERENCE_ABOVE:
            welcome.segments, welcome.segment_name = str(self._segments.folder), self.prefix
            welcome.segment_bytes, welcome.reference_above = self.granted, REFERENCE_ABOVE

    def grant(self, size: int) -> int:
        """Lets it have so many bytes in all, or, when the quota has not as many, what it has; how many it has now."""
        if size - self.granted <= self._segments.free:
            self._set(max(size, self.kept))
        return self.granted

    def _set(self, size: int) -> None:
        less = size < self.granted
        self.granted = size
        if less:
            self._segments.room.set()

    def journal(self) -> Journal | None:
        """Answers that it had made and not sent when it ended; None when it kept no journal."""
        if self._segments.folder is None:
            return None
        try:
            descriptor = os.open(self._segments.folder / f"{self.prefix}journal", os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            call, sent, count, size = _JOURNAL.unpack(os.pread(descriptor, _JOURNAL.size, 0))
            lines = os.pread(descriptor, min(size, _LONGEST_JOURNAL), _JOURNAL.size)
        except (OSError, struct.error):
            return None
        finally:
            os.close(descriptor)
        whole = len(lines) == size and lines.count(b"\n") == count and lines.endswith(b"\n")
        return Journal(call, sent, lines) if whole else None

    def lend(self, ref: pb.Reference) -> Lent:
        """Hands a segment of the owner's to a reader. Raises ForeignSegmentError."""
        self._check(ref)
        self._lent[ref.path] = ref.length
        return Lent(ref, self)

    def _check(self, ref: pb.Reference) -> None:
        folder = self._segments.folder
        number = ref.path.removeprefix(f"{folder}/{self.prefix}")
        if folder is None or not (number.isascii() and number.isdecimal()) or len(number) == len(ref.path):
            raise ForeignSegmentError("it refers to a file that is not one of its segments")
        if ref.path in self._lent:
            raise ForeignSegmentError("it refers to a segment that is being read")
        try:
            found = os.lstat(ref.path)
        except OSError as error:
            raise ForeignSegmentError(f"it refers to a segment that cannot be read: {error.strerror}") from None
        if (found.st_dev, found.st_ino) != (ref.device, ref.inode) or not stat.S_ISREG(found.st_mode):
            raise ForeignSegmentError("it refers to a segment that is not the one at its path")
        if found.st_uid != os.geteuid() or ref.offset + ref.length > found.st_size:
            raise ForeignSegmentError("it refers to bytes that its segment does not have")

    def release(self, path: str) -> None:
        """The reader has released the segment. Does nothing when it has done so before."""
        if self._lent.pop(path, None) is None:
            return
        if not self._lent:
            self._set(min(self.granted, self.kept))
        if self._tell is None:
            _unlink(path)
        else:
            self._tell(path)

    def gone(self) -> None:
        """The owner has ended, or cannot be reached."""
        self._tell = None
        self.kept = 0
        self._set(0)
        folder = self._segments.folder
        if folder is None or self._segments.owners.pop(self.prefix, None) is None:
            return
        try:
            paths = [entry.path for entry in os.scandir(folder) if entry.name.startswith(self.prefix)]
        except OSError:
            return  # the directory has been removed, and they with it
        for path in paths:
            if path not in self._lent:
                _unlink(path)


class Lent:
    """A payload in a segment that is being read."""

    __slots__ = ("_owner", "_then", "ref")

    def __init__(self, ref: pb.Reference, owner: Owner) -> None:
        self.ref = ref
        self._owner = owner
        self._then: Callable[[], None] | None = None

    def then(self, do: Callable[[], None]) -> None:
        """What to do when it has been released."""
        self._then = do

    def drop(self) -> None:
        """Releases it, although it may still be read: its owner does not write to a file that has lost its name."""
        _unlink(self.ref.path)
        self.release()

    def release(self) -> None:
        self._owner.release(self.ref.path)
        then, self._then = self._then, None
        if then is not None:
            then()


def _quarter(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize // 4


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it has been removed already
