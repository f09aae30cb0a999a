"""Estimates how long commands take, so that a worker can be sent several quick calls at once.

Sending one call and waiting for its answer costs far more than a quick call takes. So a busy worker may be sent more
calls than it runs, as long as all of them are expected to end within a few milliseconds.
"""

from __future__ import annotations

QUICK = 0.0005
"""Seconds: a command that takes longer is never put behind another."""
AHEAD = 0.002
"""Seconds of work that a worker may be given at once."""
DEEPEST = 256
SAMPLE = 64
"""Answers after which a worker that is never without calls is looked at."""
STALL = 0.02
"""Seconds without an answer after which a worker is asked to return calls that it has not started."""
_MOST = 1000


class Paces:
    """Estimates in seconds, by command."""

    __slots__ = ("_depths", "_seconds")

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._depths: dict[str, int] = {}

    def learn(self, command: str, seconds: float, *, alone: bool) -> None:
        """How long a call took on the average of several, or one that was `alone` on its worker.

        The latter includes the way there and back, and tells most about a command that has become slow.
        """
        known = self._seconds.get(command)
        if known is None:
            if len(self._seconds) >= _MOST:  # names come from callers
                self._seconds.clear()
                self._depths.clear()
            known = seconds
        self._estimate(command, known + (seconds - known) * (0.5 if alone else 0.25))

    def stalled(self, command: str, seconds: float) -> None:
        """It has taken so long already."""
        self._estimate(command, max(seconds, self._seconds.get(command, 0.0)))

    def _estimate(self, command: str, seconds: float) -> None:
        self._seconds[command] = seconds
        self._depths[command] = 1 if seconds >= QUICK else min(DEEPEST, int(AHEAD / max(seconds, 1e-6)))

    def depth(self, command: str) -> int:
        """How many calls a worker may hold when a call of this command comes next; 1 when it is slow or unknown."""
        return self._depths.get(command, 1)
