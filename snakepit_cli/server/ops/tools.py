"""Requests about tools. A call of one is a call like any other: see `Instance.submit`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.state.state import Origin, State
from snakepit_cli.server.store import sessions
from snakepit_cli.server.store.work import Work
from snakepit_cli.server.tools.registry import Tool
from snakepit_cli.wire import state as ops


async def in_session(state: State, session: str, origin: Origin, then: Callable[[], None]) -> None:
    """Makes the session if there is none, and calls `then` before it can end. Raises PitError, as `then` may."""

    def need(work: Work) -> None:
        sessions.need(work, session)

    await state.ask(need, origin, then)


async def _register(state: State, request: ops.ToolRegister, origin: Origin) -> Any:
    if origin.holder is None:
        raise PitError("not_yours", "only a worker can register tools", hint="serve a file with `snakepit tools serve`")
    made = [_tool(one, request.session, origin) for one in request.tools]
    await in_session(state, request.session, origin, lambda: state.tools.add(made))
    return {"registered": [one.name for one in made]}


def _tool(said: ops.Described, session: str, origin: Origin) -> Tool:
    return Tool(
        session=session, name=said.name, description=said.description, streaming=said.streaming,
        parameters=[msgspec.to_builtins(one) for one in said.parameters], metadata=said.metadata,
        worker=origin.source, language=origin.language,
    )  # fmt: skip


async def _list(state: State, request: ops.ToolList, _: Origin) -> Any:
    return [tool.answer() for tool in state.tools.listed(request.session, request.pattern)]


async def _show(state: State, request: ops.ToolShow, _: Origin) -> Any:
    return state.tools.get(request.session, request.name).answer()


async def _rm(state: State, request: ops.ToolRm, origin: Origin) -> Any:
    state.tools.remove(request.session, request.name, origin.source)
    return {"name": request.name, "removed": True}


OPS: dict[type[ops.StateOp], Callable[[State, Any, Origin], Coroutine[Any, Any, Any]]] = {
    ops.ToolRegister: _register,
    ops.ToolList: _list,
    ops.ToolShow: _show,
    ops.ToolRm: _rm,
}
