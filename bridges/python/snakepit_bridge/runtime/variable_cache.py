"""Values of variables that may be used again without asking the server.

The server grants a lease with a value: it acknowledges no change of the variable before this worker has dropped the
value, or the lease is over. So what is kept here is never older than the last acknowledged write.

The reading thread drops values while handlers look them up. Looking up takes no lock. Keeping does: a reply to a
request that was sent before an invalidation arrived must not be kept, which the generation of the session tells.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from time import monotonic
from typing import Any, Callable, Optional

__all__ = ["MISSING", "Change", "Changes", "Ticket", "VariableCache"]

MOST_ENTRIES = 10_000
MOST_BYTES = 64 << 20
LARGEST = MOST_BYTES // 4
"""Bytes of a value that is still kept."""


class _Missing:
    """Type of MISSING."""


MISSING = _Missing()
"""What `get` returns when nothing is kept."""


_Entry = tuple[Any, float, float, int, Optional[Callable[[Any], Any]]]
"""A value, when it was asked for, when its lease is over, its size in bytes, and how to copy it, if it can change."""


class _Session:
    """Values of one session."""

    __slots__ = ("entries", "generation")

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.generation = 0
        """Grows with each invalidation."""


class Ticket:
    """The state of the cache when a request was sent."""

    __slots__ = ("generation", "holder", "sent", "session")

    def __init__(self, session: str, holder: _Session) -> None:
        self.session = session
        self.holder = holder
        self.generation = holder.generation
        self.sent = monotonic()


Changes = Optional[tuple[str, tuple[str, ...]]]
"""Session and variables that a request changes; no names for all; None when it changes none."""


class Change(dict[str, Any]):
    """A query that changes these variables of a session; without names all."""

    def __init__(self, session: str, *names: str, **fields: Any) -> None:
        super().__init__(fields)
        self.changes = session, names


class VariableCache:
    """All values that one worker keeps."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()
        self._entries = 0
        self._bytes = 0
        self._off = False

    def get(self, session: str, name: str, most: float | None = None) -> Any:
        """The value, or MISSING. `most`: how many seconds old it may be. Lists and dicts are copies."""
        held = self._sessions.get(session)
        if held is None:
            return MISSING
        entry = held.entries.get(name)
        if entry is None:
            return MISSING
        value, sent, until, _, copy = entry
        now = monotonic()
        if now >= until or (most is not None and now - sent >= most):
            return MISSING
        return value if copy is None else copy(value)

    def ticket(self, session: str) -> Ticket:
        """Must be taken before the request is sent."""
        with self._lock:
            held = self._sessions.get(session)
            if held is None:
                held = _Session()
                if len(self._sessions) >= MOST_ENTRIES:
                    self._empty()
                if not self._off:
                    self._sessions[session] = held
            return Ticket(session, held)

    def keep(self, ticket: Ticket, name: str, value: Any, lease: float, size: int) -> None:
        """Keeps (a copy of) a value that was asked for with `ticket`, unless it has been invalidated since."""
        if lease <= 0 or size > LARGEST:
            return
        if self._entries >= MOST_ENTRIES or self._bytes + size > MOST_BYTES:
            self.clear()
            return
        value = copied(value)
        with self._lock:
            held = ticket.holder
            if self._sessions.get(ticket.session) is not held or held.generation != ticket.generation:
                return
            self._forget(held.entries.pop(name, None))
            held.entries[name] = (value, ticket.sent, ticket.sent + lease, size, _copier(value))
            self._entries += 1
            self._bytes += size

    def drop(self, session: str, names: Iterable[str] = ()) -> None:
        """Drops these variables of a session; without names all of them. Replies under way are not kept either."""
        with self._lock:
            held = self._sessions.get(session)
            if held is None:
                return
            held.generation += 1
            named = list(names)
            if not named:
                del self._sessions[session]
            for name in named or list(held.entries):
                self._forget(held.entries.pop(name, None))

    def _forget(self, entry: _Entry | None) -> None:
        if entry is not None:
            self._entries -= 1
            self._bytes -= entry[3]

    def clear(self) -> None:
        """Drops everything."""
        with self._lock:
            self._empty()

    def _empty(self) -> None:
        self._sessions = {}
        self._entries = self._bytes = 0

    def abandon(self) -> None:
        """In a forked child, which no invalidation reaches: nothing is kept any more."""
        self._lock = threading.Lock()  # another thread may have held it when this process was forked
        self._off = True
        self.clear()


_CONTAINERS = frozenset({list, dict})


def _copier(value: Any) -> Callable[[Any], Any] | None:
    kind = type(value)
    if kind not in _CONTAINERS:
        return None
    inside = value.values() if kind is dict else value
    return copied if any(type(one) in _CONTAINERS for one in inside) else kind.copy


def copied(value: Any) -> Any:
    """A copy of a JSON value that shares nothing that can be changed."""
    if type(value) is dict:
        return {key: copied(one) if type(one) in _CONTAINERS else one for key, one in value.items()}
    if type(value) is list:
        return [copied(one) if type(one) in _CONTAINERS else one for one in value]
    return value
