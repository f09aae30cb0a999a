"""Values that workers keep for a while, and how a write waits until they do not use them any more.

A worker that has read a variable may use the value for `SECONDS` without asking again, counted from before it asked. A
write is acknowledged when each worker that may still use the old value has said that it does not, or when its time is
over. So no read returns a value older than the last acknowledged write, and a worker that hangs delays a write by
`SECONDS`.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from typing import Protocol

SECONDS = 1.0
_MOST = 200_000
"""Leases at a time; a read beyond that gets none."""


class Holder(Protocol):
    """The way to a worker."""

    def invalidate(self, number: int, session: str, names: Iterable[str]) -> None: ...


class _Wait:
    """A write that waits."""

    __slots__ = ("left", "then", "timer")

    def __init__(self, then: Callable[[], None]) -> None:
        self.left: set[int] = set()
        self.then = then
        self.timer: asyncio.TimerHandle | None = None


class Leases:
    def __init__(self) -> None:
        self._of: dict[str, dict[str, dict[Holder, float]]] = {}
        """Session → variable → worker → when its lease ends."""
        self._count = 0
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[Holder, _Wait]] = {}

    def grant(self, session: str, name: str, holder: Holder) -> float:
        """Seconds for which the value may be used; 0 for not at all."""
        if self._count >= _MOST:
            now = time.monotonic()
            self._remove(lambda _, until: until <= now)
            if self._count >= _MOST:
                return 0.0
        held = self._of.setdefault(session, {}).setdefault(name, {})
        self._count += holder not in held
        held[holder] = time.monotonic() + SECONDS
        return SECONDS

    def revoke(
        self, session: str, names: Iterable[str] | None, writer: Holder | None, then: Callable[[], None]
    ) -> None:
        """Calls `then` when no worker uses the old values any more; at once when none does. None: all of the session.

        The worker that has written drops its own.
        """
        wait, latest, now = _Wait(then), 0.0, time.monotonic()
        for holder, (mine, until) in self._taken(session, names, now).items():
            if holder is writer:
                continue
            number = next(self._numbers)
            self._asked[number] = holder, wait
            wait.left.add(number)
            latest = max(latest, until)
            holder.invalidate(number, session, () if names is None else mine)
        if not wait.left:
            then()
            return
        wait.timer = asyncio.get_running_loop().call_later(max(0.0, latest - now), self._expired, wait)

    def _taken(self, session: str, names: Iterable[str] | None, now: float) -> dict[Holder, tuple[list[str], float]]:
        """Removes leases. Returns the holders of those that are still valid: which, and until when."""
        of_session = self._of.get(session, {})
        found: dict[Holder, tuple[list[str], float]] = {}
        for name in list(of_session) if names is None else names:
            held = of_session.pop(name, {})
            self._count -= len(held)
            for holder, until in held.items():
                if until > now:
                    mine, latest = found.get(holder, ([], 0.0))
                    mine.append(name)
                    found[holder] = mine, max(latest, until)
        if not of_session:
            self._of.pop(session, None)
        return found

    def obeyed(self, holder: Holder, numbers: Iterable[int]) -> None:
        """A worker does not use what it was told about any more."""
        for number in numbers:
            if (known := self._asked.get(number)) is not None and known[0] is holder:
                self._over(number)

    def gone(self, holder: Holder) -> None:
        """A worker has ended."""
        self._remove(lambda one, _: one is holder)
        for number in [number for number, (one, _) in self._asked.items() if one is holder]:
            self._over(number)

    def _over(self, number: int) -> None:
        _, wait = self._asked.pop(number)
        wait.left.discard(number)
        if not wait.left:
            if wait.timer is not None:
                wait.timer.cancel()
            wait.then()

    def _expired(self, wait: _Wait) -> None:
        for number in wait.left:
            self._asked.pop(number, None)
        wait.left.clear()
        wait.then()

    def _remove(self, what: Callable[[Holder, float], bool]) -> None:
        for session, names in list(self._of.items()):
            for name, held in list(names.items()):
                for holder in [one for one, until in held.items() if what(one, until)]:
                    del held[holder]
                    self._count -= 1
                if not held:
                    del names[name]
            if not names:
                del self._of[session]
