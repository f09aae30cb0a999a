"""Changes on their way to watchers. A watcher takes them at its own pace."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from snakepit_cli.server.store.work import Change
from snakepit_cli.wire.binary import is_message

_KEPT = 256
"""Changes of a session kept for its watchers."""
_ROOM = 1 << 20
"""Bytes of them; the latest is kept, however large it is."""


class Feed:
    """The latest changes of one session, kept while it has watchers."""

    def __init__(self) -> None:
        self._latest: deque[tuple[int, str, bytes]] = deque()
        """Revision, variable, line."""
        self._size = 0
        self._news = asyncio.Event()
        self.over = asyncio.Event()
        """The session has ended."""
        self.watchers = 0

    @property
    def ended(self) -> bool:
        return self.over.is_set()

    def add(self, change: Change) -> None:
        """A change with a long array is only announced: its JSON is made where the store is read."""
        if change.value is not None and is_message(change.value):
            self._latest.clear()
            self._size = 0
            self._wake()
            return
        text = line(change)
        while self._latest and (len(self._latest) == _KEPT or self._size + len(text) > _ROOM):
            self._size -= len(self._latest.popleft()[2])
        self._latest.append((change.revision, change.name, text))
        self._size += len(text)
        self._wake()

    def end(self) -> None:
        self.over.set()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def since(self, revision: int) -> list[tuple[int, str, bytes]] | None:
        """Changes after a revision; None when they are not all here."""
        if not self._latest or self._latest[0][0] > revision + 1:
            return None
        return [one for one in self._latest if one[0] > revision]

    def news(self) -> asyncio.Event:
        """Set at the next change, and at the end of the session."""
        return self._news


def line(change: Change) -> bytes:
    return msgspec.json.encode(change.answer()) + b"\n"


class Feeds:
    def __init__(self) -> None:
        self._of: dict[str, Feed] = {}

    def join(self, session: str) -> Feed:
        """The caller must `leave`."""
        feed = self._of.setdefault(session, Feed())
        feed.watchers += 1
        return feed

    def leave(self, session: str, feed: Feed) -> None:
        feed.watchers -= 1
        if not feed.watchers and self._of.get(session) is feed:
            del self._of[session]

    def publish(self, change: Change) -> None:
        if (feed := self._of.get(change.session)) is not None:
            feed.add(change)

    def end(self, session: str) -> None:
        """The session has ended. A later one of the same name gets a feed of its own."""
        if (feed := self._of.pop(session, None)) is not None:
            feed.end()
