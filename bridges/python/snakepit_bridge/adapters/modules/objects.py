"""Objects that calls leave in the worker for later ones."""

from __future__ import annotations

import re
from typing import Any

from snakepit_bridge.forms import name_of

__all__ = ["MOST", "Objects", "StoreError"]

MOST = 1000
"""Objects of one worker, in all its sessions together."""
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")


class StoreError(ValueError):
    """Nothing is stored under the name, or nothing can be."""


class Objects:
    """By session; "" are those of calls without one, which every such call to this worker finds."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sessions: dict[str, dict[str, Any]] = {}

    def put(self, session: str, name: str, value: Any) -> None:
        """Raises StoreError when the name is not allowed, or when there are too many objects."""
        if not isinstance(name, str) or not _ID.match(name):
            raise StoreError(f"{name!r} cannot be a name: letters, digits, `_` and `-`, at most 64, not a digit first")
        mine = self._sessions.get(session, {})
        if name not in mine and sum(map(len, self._sessions.values())) >= self._most:
            raise StoreError(f"{self._most} objects are stored in this worker: remove some with `delete_stored`")
        self._sessions.setdefault(session, mine)[name] = value

    def get(self, session: str, name: str) -> Any:
        """Raises StoreError."""
        mine = self._sessions.get(session, {})
        if name not in mine:
            from snakepit_bridge.failures import did_you_mean

            where = f"in session {session}" if session else "outside of sessions"
            hint = did_you_mean(str(name), mine) or "; what is stored ends with its session, and with its worker"
            raise StoreError(f"nothing is stored as `{name}` {where} in this worker{hint}")
        return mine[name]

    def types(self, session: str) -> dict[str, str]:
        return {name: name_of(type(value)) for name, value in self._sessions.get(session, {}).items()}

    def delete(self, session: str, name: str) -> bool:
        """Whether there was one."""
        mine = self._sessions.get(session, {})
        found = name in mine
        mine.pop(name, None)
        if not mine:
            self._sessions.pop(session, None)
        return found

    def drop(self, session: str) -> None:
        """The session has ended."""
        self._sessions.pop(session, None)
