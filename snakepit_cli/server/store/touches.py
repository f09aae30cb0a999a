"""Uses of sessions that are not on disk yet: a call costs no write of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

_MOST = 100_000
"""Sessions whose last use is not on disk yet, at most; that of a further one is not recorded."""
FLUSH_SECONDS = 1.0
"""Seconds of uses that are lost when the server dies, at most."""


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
        self._held: dict[str, tuple[int, float]] = {}
        """Sessions of calls that run: how many, and since when."""

    def __bool__(self) -> bool:
        return bool(self._of)

    def note(self, session: str, now: float, *, calls: int = 0) -> None:
        with self._lock:
            if (known := self._noted(session, now)) is not None:
                known.last = now
                known.calls += calls

    def hold(self, session: str, now: float) -> None:
        """A call begins: the session does not end before it."""
        with self._lock:
            count, since = self._held.get(session, (0, now))
            self._held[session] = count + 1, since

    def release(self, session: str, now: float) -> None:
        """The call is over. Restarts its session's time to live, unless it had expired before the call began."""
        with self._lock:
            count, since = self._held.pop(session, (1, now))
            if count > 1:
                self._held[session] = count - 1, since
            if (known := self._noted(session, since)) is not None:
                known.first, known.last = min(known.first, since), now

    def _noted(self, session: str, now: float) -> Touch | None:
        """What is noted of a session, which begins now if there is nothing yet; None when there is no room."""
        if session not in self._of and len(self._of) < _MOST:
            self._of[session] = Touch(now, now)
        return self._of.get(session)

    def last(self, session: str, touched: float, ttl: float) -> float:
        """When a session was used last; infinity while a call of it runs. A use after its end does not count."""
        known = self._of.get(session)
        last = known.last if known is not None and known.first < touched + ttl else touched
        held = self._held.get(session)
        return inf if held is not None and held[1] < last + ttl else last

    def calls(self, session: str) -> int:
        known = self._of.get(session)
        return 0 if known is None else known.calls

    def forget(self, session: str) -> None:
        with self._lock:
            self._of.pop(session, None)

    def put_back(self, taken: Mapping[str, Touch]) -> None:
        """They have not been written down."""
        with self._lock:
            for session, one in taken.items():
                if (known := self._noted(session, one.first)) is not None:
                    known.first, known.last = min(known.first, one.first), max(known.last, one.last)
                    known.calls += one.calls

    def take(self) -> dict[str, Touch]:
        """All of them; there are none from now on."""
        with self._lock:
            taken, self._of = self._of, {}
        return taken
