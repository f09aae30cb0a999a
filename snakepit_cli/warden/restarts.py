"""Decides when a server that ended is started again: at once, after a pause, or never."""

from __future__ import annotations

FREE = 3
"""This many ends within the window cause no pause."""
WINDOW = 10.0
PAUSE_FIRST, PAUSE_LAST = 0.5, 10.0
HOPELESS = 3
"""Give up after this many servers in a row that never got ready."""


class Restarts:
    """Seconds are monotonic."""

    def __init__(self) -> None:
        self.count = 0
        """Servers after the first one."""
        self._ends: list[float] = []
        self._unready = 0
        self._served = False

    def ready(self) -> None:
        """The server accepts commands."""
        self._unready = 0
        self._served = True

    def ended(self, now: float, *, asked: bool, ran: bool = True) -> float | None:
        """Seconds to wait before the next one; None: give up.

        One that never `ran` could not be started (the disk is full, too many files are open). For the first server
        that is the end. Later there are warm workers to be kept, and it can pass: it is tried again.
        """
        self.count += 1
        if asked:
            return 0.0
        if ran:
            self._unready += 1
        if self._unready > HOPELESS or not (ran or self._served):
            return None
        self._ends = [when for when in self._ends if now - when < WINDOW] + [now]
        over = len(self._ends) - FREE
        return 0.0 if over <= 0 else min(PAUSE_FIRST * 2 ** (over - 1), PAUSE_LAST)
