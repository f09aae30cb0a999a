"""Payloads by reference, in a client: the input file that blocks refer to, and answers that are read from segments.

The fast path imports this: nothing that CPython has not loaded already.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from snakepit_cli.base.errors import PitError

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_PIECE = 32 << 10


class InputFile:
    """A regular file behind a descriptor, which others can open by its path and which has not been read."""

    def __init__(self, path: str, about: os.stat_result, offset: int) -> None:
        self._path = path
        self._about = about
        self.offset = offset
        """Where what is left to read begins."""

    @classmethod
    def behind(cls, descriptor: int) -> InputFile | None:
        """None for everything else: pipes, devices, files without a name."""
        try:
            about = os.fstat(descriptor)
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            path.encode()
            named = stat.S_ISREG(about.st_mode) and os.path.samestat(os.lstat(path), about)
            return cls(path, about, os.lseek(descriptor, 0, os.SEEK_CUR)) if named else None
        except (OSError, ValueError):
            return None

    def reference(self, offset: int, length: int) -> dict[str, Any]:
        about = self._about
        return {
            "path": self._path, "device": about.st_dev, "inode": about.st_ino, "offset": offset, "length": length,
        }  # fmt: skip


class LongResult:
    """The range of a file that a reference of the server names. Read in small pieces, which stay in the processor's
    cache: to map a page costs more than to read it once. All of it raises PitError `server_restarted`."""

    def __init__(self, reference: Mapping[str, Any]) -> None:
        self._path: str = reference["path"]
        self._start: int = reference["offset"]
        self._end = self._start + reference["length"]
        self._descriptor = _opened(reference)

    def begins_with(self, start: bytes) -> bool:
        return _read(self._descriptor, self._path, self._start, len(start)) == start

    def pieces(self) -> Iterator[memoryview]:
        """Each is good until the next one."""
        piece = memoryview(bytearray(_PIECE))
        at = self._start
        while at < self._end:
            try:
                got = os.preadv(self._descriptor, [piece[: self._end - at]], at)
            except OSError as error:
                raise _failed(f"{self._path} cannot be read: {error.strerror}") from None
            if not got:
                raise _failed(f"{self._path} ends before byte {self._end:,}")
            yield piece[:got]
            at += got

    def __bytes__(self) -> bytes:
        return b"".join(map(bytes, self.pieces()))

    def view(self) -> memoryview:
        """All of it, mapped."""
        return _view(self._descriptor, self._start, self._end, self._path)


def read(reference: Mapping[str, Any]) -> bytes:
    """What a reference of the server stands for. Raises PitError `server_restarted`."""
    descriptor = _opened(reference)
    try:
        return _read(descriptor, reference["path"], reference["offset"], reference["length"])
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: str, offset: int, length: int) -> bytes:
    try:
        data = os.pread(descriptor, length, offset)
        while 0 < len(data) < length and (more := os.pread(descriptor, length - len(data), offset + len(data))):
            data += more
    except OSError as error:
        raise _failed(f"{path} cannot be read: {error.strerror}") from None
    if len(data) != length:
        raise _failed(f"{path} ends before byte {offset + length:,}")
    return data


def mapped(reference: Mapping[str, Any], released: Callable[[str], object] | None = None) -> memoryview:
    """What a reference of the server stands for, without a copy: a segment never gets shorter while it is read.
    `released` is called with its path when nobody uses it any more. Raises PitError `server_restarted`."""
    path, start = reference["path"], reference["offset"]
    descriptor = _opened(reference)
    try:
        return _view(descriptor, start, start + reference["length"], path, released)
    finally:
        os.close(descriptor)


def _view(
    descriptor: int, start: int, end: int, path: str, released: Callable[[str], object] | None = None
) -> memoryview:
    import mmap

    try:
        if os.fstat(descriptor).st_size < end:
            raise _failed(f"{path} ends before byte {end:,}")
        memory = mmap.mmap(descriptor, end, mmap.MAP_SHARED, mmap.PROT_READ)
    except (OSError, ValueError) as error:
        raise _failed(f"{path} cannot be read: {error}") from None
    if released is not None:
        import weakref

        weakref.finalize(memory, released, path)
    return memoryview(memory)[start:]


def _opened(reference: Mapping[str, Any]) -> int:
    """The file, if it still is the one. Raises PitError `server_restarted`."""
    path = reference["path"]
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise _failed(f"{path} cannot be read: {error.strerror}") from None
    about = os.fstat(descriptor)
    if (about.st_dev, about.st_ino) != (reference["device"], reference["inode"]):
        os.close(descriptor)
        raise _failed(f"{path} is another file by now")
    return descriptor


def _failed(message: str) -> PitError:
    from snakepit_cli.base.errors import PitError

    # Not `reference_failed`: that says that nothing has run.
    return PitError("server_restarted", f"the answer is lost: {message}")
