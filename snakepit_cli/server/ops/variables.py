"""Requests about variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.state.state import State
from snakepit_cli.server.store import arrays, history, sessions, variables
from snakepit_cli.server.store.variables import Writer
from snakepit_cli.server.store.work import Work
from snakepit_cli.wire import state as ops
from snakepit_cli.wire.binary import Buffer
from snakepit_cli.wire.fields import LONGEST_NAME


@contextmanager
def _writing(work: Work, session: str) -> Iterator[Writer]:
    writer = Writer(work, sessions.need(work, session))
    yield writer
    writer.close()


def _register(_: State, work: Work, request: ops.VarRegister) -> Any:
    with _writing(work, request.session) as writer:
        made = writer.register(
            request.name, request.type, request.value, constraints=request.constraints, metadata=request.metadata,
            ttl=request.ttl, replace=request.replace,
        )  # fmt: skip
    return variables.answer(work, made)


def _set(_: State, work: Work, request: ops.VarSet) -> Any:
    with _writing(work, request.session) as writer:
        written = writer.set(
            request.name, request.value, metadata=request.metadata, expect=request.expect, create=request.create
        )
    return {"name": written.name, "version": written.version}


def _get(_: State, work: Work, request: ops.VarGet) -> Any:
    row = sessions.get(work, request.session)
    found = variables.get(work, row, request.name)
    return _with_parts(lambda parts: variables.answer(work, found, parts=parts), parts=request.binary)


def _with_parts(answer: Callable[[list[Buffer] | None], Any], *, parts: bool) -> Any:
    """An answer, as a message when it has parts and its reader takes them."""
    if parts:
        taken: list[Buffer] = []
        found = answer(taken)
        if not taken:
            return found
        if (message := arrays.message(msgspec.json.encode(found), taken)) is not None:
            return message
    return answer(None)


def _list(_: State, work: Work, request: ops.VarList | ops.VarExport) -> Any:
    row = sessions.get(work, request.session)
    graph = variables.graph(work, row)
    return [variables.answer(work, one, graph) for one in variables.listed(work, row, request.pattern)]


def _rm(_: State, work: Work, request: ops.VarRm) -> Any:
    writer = Writer(work, sessions.get(work, request.session))
    writer.remove(request.name, request.expect)
    writer.close()
    return {"name": request.name, "removed": True}


def _mget(_: State, work: Work, request: ops.VarMget) -> Any:
    row = sessions.get(work, request.session)
    found = {name: variables.find(work, row, name) for name in request.names}

    def answer(parts: list[Buffer] | None) -> Any:
        known = {name: one for name, one in found.items() if one is not None}
        return {
            "found": {name: variables.answer(work, one, parts=parts) for name, one in known.items()},
            "missing": [name for name, one in found.items() if one is None],
        }

    return _with_parts(answer, parts=request.binary)


def _mset(_: State, work: Work, request: ops.VarMset) -> Any:
    """All of an atomic batch, or none: its failures roll the whole job back."""
    results: dict[str, Any] = {}
    failed: dict[str, PitError] = {}
    expected = request.expect or {}
    with _writing(work, request.session) as writer:
        for name, value in request.values.items():
            try:
                written = writer.set(
                    _named(name), value, metadata=request.metadata, expect=expected.get(name), create=request.create
                )
                results[name] = {"version": written.version}
            except PitError as error:
                failed[name] = error
                results[name] = {"error": error.as_dict()}
    if failed and request.atomic:
        raise _none_written(failed)
    return {"results": results}


def _named(name: str) -> str:
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        text = f"a name is a string of 1 to {LONGEST_NAME} bytes without NUL characters"
        raise PitError("usage", f"{name[:40]!r}: {text}")
    return name


def _none_written(failed: dict[str, PitError]) -> PitError:
    first = next(iter(failed.values()))
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    texts = {name: error.message for name, error in failed.items()}
    return PitError(first.kind, f"nothing was written: {first.message}{more}", failed=texts)


def _import(_: State, work: Work, request: ops.VarImport) -> Any:
    with _writing(work, request.session) as writer:
        for one in request.variables:
            writer.register(
                one.name, one.type, one.value, constraints=one.constraints, metadata=one.metadata, ttl=one.ttl,
                replace=True,
            )  # fmt: skip
        for one in request.variables:
            if one.depends:
                writer.depend(one.name, one.depends)
    return {"imported": len(request.variables)}


def _history(_: State, work: Work, request: ops.VarHistory) -> Any:
    row = sessions.get(work, request.session)
    known = variables.get(work, row, request.name)
    return [change.answer() for change in history.of_variable(work, row.id, known.n, request.limit)]


def _rollback(_: State, work: Work, request: ops.VarRollback) -> Any:
    writer = Writer(work, sessions.get(work, request.session))
    written = writer.roll_back(request.name, request.version, request.expect)
    writer.close()
    return {"name": written.name, "version": written.version}


def _depend(_: State, work: Work, request: ops.VarDepend) -> Any:
    writer = Writer(work, sessions.get(work, request.session))
    on = writer.depend(request.name, request.on)
    writer.close()
    return {"name": request.name, "on": on}


JOBS: dict[type[ops.StateOp], Callable[[State, Work, Any], Any]] = {
    ops.VarRegister: _register,
    ops.VarSet: _set,
    ops.VarGet: _get,
    ops.VarList: _list,
    ops.VarRm: _rm,
    ops.VarMget: _mget,
    ops.VarMset: _mset,
    ops.VarExport: _list,
    ops.VarImport: _import,
    ops.VarHistory: _history,
    ops.VarRollback: _rollback,
    ops.VarDepend: _depend,
}
