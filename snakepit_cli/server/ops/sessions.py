"""Requests about sessions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from snakepit_cli.server.state.state import Origin, State
from snakepit_cli.server.store import sessions
from snakepit_cli.server.store.sessions import Row
from snakepit_cli.server.store.work import Work
from snakepit_cli.wire import state as ops


def _shown(state: State, work: Work, row: Row) -> dict[str, Any]:
    """SESSION."""
    return {**sessions.answer(work, row), "worker": state.home(row.id), "tools": state.tools.count(row.id)}


def _create(state: State, work: Work, request: ops.SessionCreate) -> Any:
    row = sessions.find(work, request.session) if request.session else None
    if row is not None:
        return {**_shown(state, work, row), "new": False}
    made = sessions.create(work, request.session, request.ttl, request.metadata)
    return {**_shown(state, work, made), "new": True}


def _list(state: State, work: Work, request: ops.SessionList) -> Any:
    rows = sessions.page(work, request.pattern, request.after, request.limit)
    following = rows[-1].n if len(rows) == request.limit else None
    return {"sessions": [_shown(state, work, row) for row in rows], "next": following}


def _show(state: State, work: Work, request: ops.SessionShow) -> Any:
    """Looking at a session does not make it last longer. For a worker it is the one that its call uses."""
    row = sessions.look(work, request.session)
    if row is None:
        raise sessions.missing(request.session)
    return _shown(state, work, row)


def _touch(state: State, work: Work, request: ops.SessionTouch) -> Any:
    return _shown(state, work, sessions.get(work, request.session))


def _update(state: State, work: Work, request: ops.SessionUpdate) -> Any:
    sessions.update(work, sessions.get(work, request.session), request.ttl, request.metadata)
    return _shown(state, work, sessions.get(work, request.session))


def _rm(state: State, work: Work, request: ops.SessionRm) -> Any:
    removed = sessions.find(work, request.session) is not None
    sessions.end(work, request.session)
    state.counts["removed"] += removed
    return {"id": request.session, "removed": removed}


def _stats(state: State, work: Work, _: ops.SessionStats) -> Any:
    database, counts = state.database, state.counts
    return {
        **sessions.totals(work),
        **{name: counts[name] for name in ("created", "removed", "expired", "sweeps")},
        "file": str(database.path),
        "file_bytes": os.stat(database.path).st_size,
        "set_aside": [str(path) for path in database.set_aside],
    }


async def gc(state: State, _: ops.SessionGc, _origin: Origin) -> Any:
    return {"expired": await state.sweep()}


JOBS: dict[type[ops.StateOp], Callable[[State, Work, Any], Any]] = {
    ops.SessionCreate: _create,
    ops.SessionList: _list,
    ops.SessionShow: _show,
    ops.SessionTouch: _touch,
    ops.SessionUpdate: _update,
    ops.SessionRm: _rm,
    ops.SessionStats: _stats,
}
