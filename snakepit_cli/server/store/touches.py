"""Uses of sessions that are not on disk yet: a call costs no write of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass

FLUSH_SECONDS = 1.0
"""How much of them the death of the server may lose."""


@dataclass(slots=True)
class Touch:
    first: float
    last: float
    calls: int = 0


class Touches:
    """From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, Touch] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def note(self, session: str, now: float, *, calls: int = 0) -> None:
        with self._lock:
            known = self._of.get(session)
            if known is None:
                self._of[session] = Touch(now, now, calls)
            else:
                known.last = now
                known.calls += calls

    def last(self, session: str, touched: float, ttl: float) -> float:
        """When a session was used last. A use after its end does not count."""
        known = self._of.get(session)
        return known.last if known is not None and known.first < touched + ttl else touched

    def calls(self, session: str) -> int:
        known = self._of.get(session)
        return 0 if known is None else known.calls

    def forget(self, session: str) -> None:
        with self._lock:
            self._of.pop(session, None)

    def take(self) -> dict[str, Touch]:
        """All of them; there are none from now on."""
        with self._lock:
            taken, self._of = self._of, {}
        return taken
