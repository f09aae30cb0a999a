"""Requests about programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snakepit_cli.server.state.state import State
from snakepit_cli.server.store import programs, sessions
from snakepit_cli.server.store.sessions import GLOBAL
from snakepit_cli.server.store.values import compact
from snakepit_cli.server.store.work import Work
from snakepit_cli.wire import state as ops


def _put(_: State, work: Work, request: ops.ProgramPut) -> Any:
    row = None if request.everywhere else sessions.need(work, request.session)
    stored = programs.put(work, row, request.id, compact(request.data), create=request.create)
    return stored.answer(None if row is None else row.id)


def _get(_: State, work: Work, request: ops.ProgramGet) -> Any:
    """The session's own, else the global one."""
    if not request.everywhere and (row := sessions.find(work, request.session)) is not None:
        found = programs.find(work, row.n, request.id)
        if found is not None:
            return found.answer(row.id)
    found = programs.find(work, GLOBAL, request.id)
    if found is None:
        raise programs.missing(request.id, None if request.everywhere else request.session)
    return found.answer(None)


def _list(_: State, work: Work, request: ops.ProgramList) -> Any:
    row = None if request.everywhere else sessions.get(work, request.session)
    owner, name = (GLOBAL, None) if row is None else (row.n, row.id)
    return [one.answer(name) for one in programs.listed(work, owner, request.pattern)]


def _rm(_: State, work: Work, request: ops.ProgramRm) -> Any:
    row = None if request.everywhere else sessions.get(work, request.session)
    programs.remove(work, row, request.id)
    return {"id": request.id, "removed": True}


JOBS: dict[type[ops.StateOp], Callable[[State, Work, Any], Any]] = {
    ops.ProgramPut: _put,
    ops.ProgramGet: _get,
    ops.ProgramList: _list,
    ops.ProgramRm: _rm,
}
