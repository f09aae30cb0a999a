"""The time that decides when a session ends: it never goes back, whatever happens to the clock of the machine."""

from __future__ import annotations

import time

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Counts while the machine is suspended, where there is such a clock."""


class Clock:
    """Seconds since 1970. `last` is the latest time that the process before us knew."""

    def __init__(self, last: float = 0.0) -> None:
        self._offset = max(time.time(), last) - time.clock_gettime(_STEADY)

    def now(self) -> float:
        return self._offset + time.clock_gettime(_STEADY)
