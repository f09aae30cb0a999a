"""Handlers that use their session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from snakepit_bridge import (
    BaseAdapter,
    CallContext,
    CallFailedError,
    SessionContext,
    VariableNotFoundError,
    command,
)


class Remembering(BaseAdapter):
    """Plain and async ones, side by side."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def session_ended(self, session_id: str) -> None:
        self.ended.append(session_id)

    @command
    def ends(self) -> list[str]:
        return self.ended

    @command
    def get(self, name: str, session: SessionContext) -> Any:
        return session.get_variable(name)

    @command
    def get_twice(self, name: str, ctx: CallContext) -> Any:
        return [ctx.session[name], ctx.session.get_variable(name)]

    @command
    def get_again(self, name: str, ctx: CallContext) -> list[Any]:
        """Changes the first value, which is its own."""
        first = ctx.session.get_variable(name)
        first.append("mine")
        return [first, ctx.session.get_variable(name)]

    @command
    def read_write_read(self, name: str, value: Any, session: SessionContext) -> Any:
        return [session[name], session.update_variable(name, value), session[name]]

    @command
    def assign(self, name: str, value: Any, session: SessionContext, strict: bool = False) -> None:
        session.strict_mode = strict
        session[name] = value

    @command
    def fails(self, name: str, session: SessionContext) -> Any:
        try:
            return session.get_variable(name)
        except CallFailedError as error:
            return [type(error).__name__, error.kind, str(error), isinstance(error, KeyError)]

    @command
    def register(self, session: SessionContext, args: Any = None) -> Any:
        return session.register_variable("t", "float", float("inf"), {"min": 0}, {"unit": "K"}, 60)

    @command
    def use_all(self, session: SessionContext) -> Any:
        """Each method once."""
        return [
            session.list_variables("t*"),
            session.get_variables(["a", "b"]),
            session.update_variables({"a": 1, "b": "hot"}),
            session.delete_variable("a"),
            "a" in session,
            session.v.b,
            session.variable("b").version,
            session.history("b", 2),
            session.rollback("b", 0, expected_version=3),
            session.depend("b", ["c"]),
            session.put_program("p", {"x": 1}),
            session.get_program("p"),
            session.list_programs(),
            session.delete_program("p", everywhere=True),
            session.cleanup(),
        ]

    @command
    def proxy(self, name: str, value: Any, session: SessionContext) -> None:
        session.variable(name).value = value

    @command
    def batch(self, session: SessionContext, fail: bool = False) -> Any:
        with session.batch_updates(atomic=True) as batch:
            batch["a"] = 1
            batch["b"] = 2
            if fail:
                raise RuntimeError("not now")
        return batch.results

    @command
    def in_a_child(self, name: str, session: SessionContext) -> str:
        """What a forked child gets instead of the value that its parent keeps."""
        session.get_variable(name)
        here, there = os.pipe()
        if (child := os.fork()) == 0:
            try:
                said = str(session.get_variable(name))
            except CallFailedError as error:
                said = error.kind
            os.write(there, said.encode())
            os._exit(0)
        os.waitpid(child, 0)
        said = os.read(here, 100).decode()
        os.close(here)
        os.close(there)
        return said

    @command
    def metadata(self, ctx: CallContext, session: SessionContext) -> Any:
        return [ctx.metadata, dict(session.metadata), session.session_id, bool(session), ctx.session is session]

    @command
    def watch(self, most: int, session: SessionContext) -> Iterator[Any]:
        for change in session.watch_variables("t*", after=7):
            yield change["value"]
            most -= 1
            if not most:
                return

    @command
    async def awatch(self, session: SessionContext) -> AsyncIterator[Any]:
        async for change in session.watch_variables("t"):
            yield change["value"]

    @command
    def runs_a_loop(self, session: SessionContext) -> Any:
        """A plain handler with an event loop of its own."""

        async def run() -> Any:
            return [await session.get_variable("a"), session.get_variable("b") + 1]

        return asyncio.run(run())

    @command
    def asks_from_threads(self, session: SessionContext) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(session.get_variable, ["a", "b"]))

    @command
    async def awaits(self, name: str, session: SessionContext) -> Any:
        value = await session.get_variable(name)
        return [type(value).__name__, value]

    @command
    async def uses_plainly(self, name: str, session: SessionContext) -> Any:
        value = session.get_variable(name)
        return {"value": value, "more": value + 1, "same": isinstance(value, float), "item": session[name]}

    @command
    async def gathers(self, session: SessionContext) -> Any:
        def helper(name: str) -> Any:
            return session.get_variable(name)

        both = await asyncio.gather(session.get_variable("a"), session.get_variable("b"))
        return [both, await helper("c")]

    @command
    async def awaits_writes(self, session: SessionContext) -> Any:
        async with session.batch_updates() as batch:
            batch["a"] = 1
        return [await session.update_variable("a", 2), await session.delete_variable("a"), batch.results]

    @command
    async def missing(self, name: str, session: SessionContext, plainly: bool = False) -> str:
        try:
            if plainly:
                session.get_variable(name)
            else:
                await session.get_variable(name)
        except VariableNotFoundError as error:
            return error.message
        return "found"


class Announced(BaseAdapter):
    """Is told its session before each call."""

    def __init__(self) -> None:
        self.context: SessionContext | None = None

    def set_session_context(self, context: SessionContext) -> None:
        self.context = context

    @command
    def told(self) -> Any:
        assert self.context is not None
        return [self.context.session_id, bool(self.context)]

    @command
    def get(self, name: str) -> Any:
        assert self.context is not None
        return self.context[name]


class Concurrent(BaseAdapter):
    """All async: calls do not pass through the main thread."""

    capacity = 4

    ended: asyncio.Queue[str]

    async def initialize(self) -> None:
        self.ended = asyncio.Queue()

    async def session_ended(self, session_id: str) -> None:
        await self.ended.put(session_id)

    @command
    async def ends(self) -> str:
        return await self.ended.get()

    @command
    async def plainly(self, name: str, session: SessionContext) -> Any:
        return [session.session_id, session.get_variable(name) * 2]

    @command
    async def awaits(self, name: str, session: SessionContext) -> Any:
        return [session.session_id, await session.get_variable(name) * 2]
