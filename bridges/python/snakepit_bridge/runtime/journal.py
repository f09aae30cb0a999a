"""Answers to items that are not sent yet, in shared memory, where the server finds them when this process dies.

    call, sent, count, size     unsigned 64-bit numbers, little-endian
    answers                     `size` bytes: `count` lines; they follow the `sent` answers that were sent before

Writing costs a tenth of a message. So answers leave together, and what has been worked out is not lost nor run again.
"""

from __future__ import annotations

import os
import struct
import weakref

__all__ = ["Journal"]

_HEAD = struct.Struct("<4Q")
SIZE = 1 << 19
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


class Journal:
    """One for a worker. Written by one thread at a time, about one call at a time."""

    def __init__(self, path: str) -> None:
        """Makes the file, with all its room reserved. Raises OSError."""
        self._file = os.open(path, _FLAGS, 0o600)
        try:
            os.posix_fallocate(self._file, 0, SIZE)
        except BaseException:
            os.close(self._file)
            os.unlink(path)
            raise
        weakref.finalize(self, os.close, self._file)
        self._about = (0, 0)
        self._count = self._size = 0

    def add(self, call: int, sent: int, lines: bytes, count: int) -> bool:
        """Adds answers behind those of the same call that are not sent yet; whether there was room. Raises OSError."""
        if (call, sent) != self._about:
            # The answers that these take the place of must not be taken for them, wherever it ends.
            self._about, self._count, self._size = (call, sent), 0, 0
            self._write_head()
        if _HEAD.size + self._size + len(lines) > SIZE:
            return False
        os.pwrite(self._file, lines, _HEAD.size + self._size)
        self._count += count
        self._size += len(lines)
        self._write_head()
        return True

    def _write_head(self) -> None:
        os.pwrite(self._file, _HEAD.pack(*self._about, self._count, self._size), 0)
