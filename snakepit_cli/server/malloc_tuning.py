"""Keeps the memory of long messages for the next one, and returns it when none has come for a while.

glibc gives the memory of anything long back to the kernel at once, and each message faults it in again, page by page:
for a result of 8 MB that took 15 of 40 milliseconds.
"""

from __future__ import annotations

import asyncio
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 128 << 20
_SECONDS = 2.0


class MallocTuning:
    """One for the process. Does nothing where the C library has no such knobs."""

    def __init__(self) -> None:
        self._libc: Any = None
        self._timer: asyncio.TimerHandle | None = None

    def used(self) -> None:
        """A long message has been handled."""
        if self._libc is None:
            import ctypes

            self._libc = ctypes.CDLL(None)
            if self._keeps():
                self._libc.mallopt(_M_MMAP_THRESHOLD, _KEPT)
                self._libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        if not self._keeps():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_SECONDS, self._give_back)

    def _keeps(self) -> bool:
        return hasattr(self._libc, "mallopt") and hasattr(self._libc, "malloc_trim")

    def _give_back(self) -> None:
        self._timer = None
        self._libc.malloc_trim(0)
