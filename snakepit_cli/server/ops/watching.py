"""Changes of variables as they come, none lost and none twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.state.feeds import Feed, line
from snakepit_cli.server.state.state import Origin, State
from snakepit_cli.server.store import globs, history, sessions, variables
from snakepit_cli.server.store.work import Work
from snakepit_cli.wire import state as ops

Say = Callable[[bytes], Awaitable[None]]
_PAGE = 500
"""Changes read from the store at a time, at most."""
_PORTION = 64 << 10
"""Bytes that are read or sent at a time. A single change may be larger."""


async def watch(state: State, request: ops.VarWatch, origin: Origin, say: Say) -> Any:
    """Ends with the session. Raises PitError."""
    feed = state.feeds.join(request.session)  # before the first look at the store: nothing comes in between
    try:
        position = await _position(state, request, origin)
        while not feed.ended:
            news = feed.news()
            position = await _catch_up(state, request, origin, feed, position, say)
            if not feed.ended:
                await news.wait()
        return {"reason": "the session has ended"}
    finally:
        state.feeds.leave(request.session, feed)


async def _position(state: State, request: ops.VarWatch, origin: Origin) -> int:
    """The revision after which it begins."""

    def look(work: Work) -> int:
        row = sessions.get(work, request.session)
        if request.version is not None:
            if not globs.is_plain(request.pattern):
                raise PitError("usage", "`version` needs the name of one variable; use `after` with a pattern")
            known = variables.get(work, row, request.pattern)
            if request.version == known.version + 1:
                return row.revision
            return history.version(work, row.id, known.n, known.name, request.version).revision - 1
        if request.after is not None:
            history.since(work, row, request.after, 1)
            return request.after
        return row.revision

    return int(await state.ask(look, origin))


async def _catch_up(  # noqa: PLR0917 — one step of `watch`
    state: State, request: ops.VarWatch, origin: Origin, feed: Feed, position: int, say: Say
) -> int:
    """Sends all changes up to now; returns the revision of the last one."""
    while not feed.ended:
        found = feed.since(position)
        if found is None:
            found = await _stored(state, request.session, origin, position)
        if not found:
            return position
        for portion in _portions(found):
            position = portion[-1][0]
            if lines := b"".join(text for _, name, text in portion if globs.matches(name, request.pattern)):
                await say(lines)
    return position


def _portions(found: list[tuple[int, str, bytes]]) -> Iterator[list[tuple[int, str, bytes]]]:
    portion: list[tuple[int, str, bytes]] = []
    size = 0
    for one in found:
        portion.append(one)
        size += len(one[2])
        if size >= _PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


async def _stored(state: State, session: str, origin: Origin, position: int) -> list[tuple[int, str, bytes]]:
    found: list[tuple[int, str, bytes]] = []

    def read(work: Work) -> bytes:
        changes = history.since(work, sessions.get(work, session), position, _PAGE, _PORTION)
        found.extend((one.revision, one.name, line(one)) for one in changes)
        return b"null"

    await state.ask(read, origin)
    return found
