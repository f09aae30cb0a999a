"""Requests about sessions, variables and programs: one way for clients and for workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.nested_calls import Asked
from snakepit_cli.server.ops import programs, sessions, tools, variables, watching
from snakepit_cli.server.ops.watching import Say
from snakepit_cli.server.state.state import Done, Origin, State, as_pit_error
from snakepit_cli.wire import state as ops
from snakepit_cli.wire.binary import is_message, pack, unpack
from snakepit_cli.wire.ops import decode

_JOBS = {**sessions.JOBS, **variables.JOBS, **programs.JOBS}
_NO_END = b'"ttl":null}'
"""The end of a variable that does not end by itself."""
_ALONE = {ops.SessionCreate, ops.SessionList, ops.SessionStats, ops.SessionGc, ops.ToolServe}
"""Requests that workers cannot make."""


def perform(state: State, request: ops.StateOp, origin: Origin, done: Done) -> None:
    """Answers a request that is one job."""
    job = _JOBS[type(request)]
    if isinstance(request, ops.VarGet) and request.lease and (holder := origin.holder) is not None:
        session, name = request.session, request.name

        def leased(answer: bytes, error: PitError | None) -> None:
            # A variable that ends by itself could end before its lease.
            text, parts = unpack(answer) if is_message(answer) else (answer, [])
            text = bytes(text)
            lives = error is None and text.endswith(_NO_END)
            if lives and (seconds := state.leases.grant(session, name, holder)):
                said = b'%b,"lease":%g}' % (text[:-1], seconds)
                answer = b"".join(pack(said, parts)) if parts else said
            done(answer, error)

        state.perform(lambda work: job(state, work, request), origin, leased)
        return
    state.perform(lambda work: job(state, work, request), origin, done)


async def answer(state: State, request: ops.StateOp, origin: Origin, say: Say) -> Any:
    """Raises PitError."""
    if isinstance(request, ops.VarWatch):
        return await watching.watch(state, request, origin, say)
    if (of_tools := tools.OPS.get(type(request))) is not None:
        return await of_tools(state, request, origin)
    if isinstance(request, ops.SessionGc):
        return await sessions.gc(state, request, origin)
    job = _JOBS[type(request)]
    return msgspec.Raw(await state.ask(lambda work: job(state, work, request), origin))


def answer_worker(state: State, asked: Asked) -> Callable[[], None]:
    """Answers the query of a worker; gives it up when the returned function is called. Raises PitError."""
    wish = decode(asked.query)
    if not isinstance(wish, ops.StateOp):
        raise PitError("not_yours", f"a worker cannot ask for {wish.__struct_config__.tag}")
    request = of_worker(wish, asked.session)
    if asked.takes_parts and isinstance(request, ops.VarGet | ops.VarMget):
        request = msgspec.structs.replace(request, binary=True)
    origin = Origin(asked.source, asked.language, asked.link)
    if type(request) in _JOBS:
        perform(state, request, origin, asked.answered)
        return asked.cancel
    task = asyncio.get_running_loop().create_task(_encoded(state, request, origin, asked.say))
    task.add_done_callback(lambda task: _settle(task, asked))

    def give_up() -> None:
        task.cancel()

    return give_up


async def _encoded(state: State, request: ops.StateOp, origin: Origin, say: Say) -> bytes:
    return msgspec.json.encode(await answer(state, request, origin, say))


def _settle(task: asyncio.Task[bytes], asked: Asked) -> None:
    """Answers, also when the task was cancelled before it took its first step."""
    if task.cancelled():
        asked.answered(b"", PitError("cancelled", "the worker gave it up"))
    elif (error := task.exception()) is not None:
        asked.answered(b"", as_pit_error(error))
    else:
        asked.answered(task.result(), None)


def of_worker(request: ops.StateOp, session: str) -> ops.StateOp:
    """The request of a worker that serves a call of this session. Raises PitError."""
    if type(request) in _ALONE:
        raise PitError("not_yours", f"a worker cannot ask for {request.__struct_config__.tag}")
    if isinstance(request, ops.ProgramOp) and request.everywhere:
        return request
    if request.session and request.session != session:
        whose = f"session {session}" if session else "no session"
        raise PitError("not_yours", f"the call is of {whose}: session {request.session} cannot be used")
    if not session:
        raise PitError(
            "session_not_found", "the call is of no session", hint="name one with --session or SNAKEPIT_SESSION"
        )
    return request if request.session else msgspec.structs.replace(request, session=session)
