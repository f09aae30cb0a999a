"""Payloads by reference, in a client: the input file that blocks refer to, and answers that are read from segments.

The fast path imports this: nothing that CPython has not loaded already.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from snakepit_cli.base.errors import PitError

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


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


def read(reference: Mapping[str, Any]) -> bytes:
    """What a reference of the server stands for. Raises PitError `reference_failed`."""
    path, length, offset = reference["path"], reference["length"], reference["offset"]
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            about = os.fstat(descriptor)
            if (about.st_dev, about.st_ino) != (reference["device"], reference["inode"]):
                raise _failed(f"{path} is another file by now")
            data = os.pread(descriptor, length, offset)
            while 0 < len(data) < length and (more := os.pread(descriptor, length - len(data), offset + len(data))):
                data += more
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failed(f"{path} cannot be read: {error.strerror}") from None
    if len(data) != length:
        raise _failed(f"{path} ends before byte {offset + length:,}")
    return data


def mapped(reference: Mapping[str, Any], released: Callable[[str], object] | None = None) -> memoryview:
    """What a reference of the server stands for, without a copy: a segment never gets shorter while it is read.
    `released` is called with its path when nobody uses it any more. Raises PitError `reference_failed`."""
    import mmap

    path, end = reference["path"], reference["offset"] + reference["length"]
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            about = os.fstat(descriptor)
            if (about.st_dev, about.st_ino) != (reference["device"], reference["inode"]) or about.st_size < end:
                raise _failed(f"{path} is another file by now")
            memory = mmap.mmap(descriptor, end, mmap.MAP_SHARED, mmap.PROT_READ)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _failed(f"{path} cannot be read: {error}") from None
    if released is not None:
        import weakref

        weakref.finalize(memory, released, path)
    return memoryview(memory)[reference["offset"] :]


def _failed(message: str) -> PitError:
    from snakepit_cli.base.errors import PitError

    return PitError("reference_failed", message)
