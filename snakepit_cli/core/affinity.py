"""Which worker last served a session."""

from __future__ import annotations

from collections import OrderedDict


class Homes:
    """Maps the most recently used sessions to the worker that served them last (their home); older ones are dropped.

    The home of a worker that is gone need not be looked for and removed: ids of workers are never used
    again, so it can never be free, and the session's next call gives it a new home.
    """

    __slots__ = ("_homes", "_size")

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._homes: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._homes)

    def get(self, session: str) -> str | None:
        return self._homes.get(session)

    def put(self, session: str, worker: str) -> None:
        homes = self._homes
        homes[session] = worker
        homes.move_to_end(session)
        if len(homes) > self._size:
            homes.popitem(last=False)

    def forget(self, session: str) -> None:
        self._homes.pop(session, None)
