"""Payloads that a message refers to instead of holding them: ranges of files, read as the contract says."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import weakref

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.failures import Refusal, failure

__all__ = ["block_lines", "forget", "read", "view"]

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # opening a FIFO does not wait for its writer


def _opened(ref: pb.Reference) -> int:
    descriptor = os.open(ref.path, _FLAGS)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) != (ref.device, ref.inode):
        os.close(descriptor)
        raise _refusal(ref, "is another file by now" if stat.S_ISREG(found.st_mode) else "is no regular file")
    return descriptor


def read(ref: pb.Reference) -> bytes:
    """The bytes that it stands for, as they are now. Raises the refusal that says why they cannot be had.

    Read, not mapped: a file that gets shorter meanwhile would end the process. Opened each time: a descriptor that is
    kept would keep the room of a file that has been removed.
    """
    try:
        descriptor = _opened(ref)
        try:
            data = _all(descriptor, ref.length, ref.offset)
        finally:
            os.close(descriptor)
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        raise _refusal(ref, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) != ref.length:
        raise _refusal(ref, f"ends before byte {ref.offset + ref.length:,}")
    return data


def view(ref: pb.Reference) -> memoryview:
    """As `read`, of a segment, but without a copy: its owner never makes it shorter. Raises the same refusals."""
    try:
        descriptor = _opened(ref)
        try:
            if os.fstat(descriptor).st_size < ref.offset + ref.length:
                raise _refusal(ref, f"ends before byte {ref.offset + ref.length:,}")
            mapped = mmap.mmap(descriptor, ref.offset + ref.length, mmap.MAP_SHARED, mmap.PROT_READ)
        finally:
            os.close(descriptor)
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        raise _refusal(ref, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    _kept[ref.path] = mapped
    return memoryview(mapped)[ref.offset :]


def forget(ref: pb.Reference) -> None:
    """The call whose arguments are in the segment is over. When a handler has kept them, or has forked a child that may
    read them, the file is removed: then its owner does not write into it again, and the memory is freed when nobody
    uses it."""
    is_kept = _kept.pop(ref.path, None) is not None
    if is_kept or ref.path in _forked:
        _forked.discard(ref.path)
        with contextlib.suppress(OSError):
            os.unlink(ref.path)


_kept: weakref.WeakValueDictionary[str, mmap.mmap] = weakref.WeakValueDictionary()
"""Segments that are mapped, by path."""
_forked: set[str] = set()
"""Paths of those that were mapped when the worker forked: the child has them for as long as it lives."""
os.register_at_fork(before=lambda: _forked.update(_kept.keys()))


def _all(descriptor: int, length: int, offset: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    while 0 < len(data) < length:  # one read gives two GiB at most
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def block_lines(block: pb.Block) -> bytes:
    """The items of a block, wherever they are. Raises the refusal of a file that has changed."""
    if not block.HasField("lines_ref"):
        return block.lines
    lines = read(block.lines_ref)
    if lines.count(b"\n") != block.count or not lines.endswith(b"\n"):
        raise _refusal(block.lines_ref, f"has not {block.count:,} lines there any more")
    return lines


def _refusal(ref: pb.Reference, what: str) -> Refusal:
    text = f"{ref.path} {what}"
    with contextlib.suppress(UnicodeError):
        text = text.encode("utf-8", "backslashreplace").decode()
    return Refusal(failure(pb.Failure.Kind.REFERENCE_FAILED, text))
