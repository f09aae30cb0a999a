"""Retry timing: exponential delays, and a budget for replacing workers that died."""

from __future__ import annotations

from collections import deque
from random import Random

from snakepit_cli.core.limits import Limits


class Backoff:
    """Delays in seconds that double from `base` up to `top`."""

    __slots__ = ("_base", "_delay", "_top")

    def __init__(self, base: float, top: float) -> None:
        self._base = base
        self._top = top
        self._delay = 0.0

    def next(self) -> float:
        self._delay = min(max(self._base, 2 * self._delay), self._top)
        return self._delay

    def reset(self) -> None:
        self._delay = 0.0


class Restarts:
    """Allows a few immediate replacements, then rounds with growing pauses between them.

    A round replaces every missing worker together: a machine that lost 64 workers at a stroke waits for one
    pause, not for sixty. `until` is the instant of the next round, None outside a pause.
    """

    __slots__ = ("_backoff", "_burst", "_last", "_recent", "_rng", "_window", "until")

    def __init__(self, limits: Limits, rng: Random) -> None:
        self._burst = limits.restart_burst
        self._window = limits.restart_window
        self._backoff = Backoff(limits.backoff_base, limits.backoff_max)
        self._rng = rng
        self._recent: deque[float] = deque()
        self._last: float | None = None
        self.until: float | None = None

    def allow(self, missing: int, now: float) -> int:
        """How many of the missing workers may be started now; the caller starts exactly that many."""
        if self.until is not None:
            if now < self.until:
                return 0
            self.until = None
            self._last = now
            return missing
        if self._last is not None and now - self._last > self._window:
            self._backoff.reset()
        while self._recent and now - self._recent[0] >= self._window:
            self._recent.popleft()
        # After a pause the budget stays closed until the window has passed quietly: else a worker that
        # dies at once would get a new burst after every long pause.
        allowed = 0 if self._hot(now) else min(missing, self._burst - len(self._recent))
        self._recent.extend([now] * allowed)
        if allowed < missing:
            # Half fixed, half random: pools that died together do not come back together.
            self.until = now + self._backoff.next() * (0.5 + self._rng.random() / 2)
        return allowed

    def _hot(self, now: float) -> bool:
        return self._last is not None and now - self._last <= self._window

    def reset(self) -> None:
        """Resets the budget, because a client asked for workers."""
        self._recent.clear()
        self._backoff.reset()
        self._last = None
        self.until = None
