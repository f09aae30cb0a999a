"""Handlers that keep their state in the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from snakepit_bridge import CallContext, CallFailedError, SessionContext, VariableNotFoundError


def told(error: CallFailedError) -> list[str]:
    return [type(error).__name__, error.kind, error.message]


class Rememberer:
    """Plain handlers and async ones."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def session_ended(self, session_id: str) -> None:
        self.ended.append(session_id)

    def execute_ended(self) -> list[str]:
        return self.ended

    def execute_register(
        self, name: str, kind: str, value: Any, session: SessionContext, constraints: dict[str, Any] | None = None
    ) -> Any:
        return session.register_variable(name, kind, value, constraints)

    def execute_get(self, name: str, session: SessionContext) -> Any:
        return session.get_variable(name)

    def execute_set(self, name: str, value: Any, session: SessionContext) -> None:
        session[name] = value

    def execute_fails(self, name: str, value: Any, ctx: CallContext) -> Any:
        try:
            ctx.session.update_variable(name, value)
        except CallFailedError as error:
            return told(error)
        return "it did not fail"

    def execute_count(self, ctx: CallContext) -> int:
        """Adds one, whoever else does."""
        while True:
            found = ctx.session.describe("counter")
            try:
                ctx.session.update_variable("counter", found["value"] + 1, expected_version=found["version"])
            except CallFailedError as error:
                if error.kind != "version_conflict":
                    raise
            else:
                return int(found["value"]) + 1

    def execute_all(self, session: SessionContext) -> Any:
        """Every method, plainly."""
        made = session.register_variable("t", "float", 0.5, {"min": 0, "max": 1}, {"unit": "K"}, ttl=600)
        session["n"] = 1
        session.v.s = "text"
        with session.batch_updates() as batch:
            batch["n"] = 2
            batch["l"] = [1, "a"]
        results = session.update_variables({"t": 0.75, "n": "none", "nosuch": 1})
        proxy = session.variable("t")
        proxy.value = 1.0
        session.depend("t", ["n"])
        session["n"] = 3
        stale = session.describe("t")["stale"]
        past = [change["value"] for change in session.history("t") if change["event"] != "stale"]
        session.rollback("t", 0)
        session.put_program("p", {"steps": [1]})
        session.put_program("everywhere", 7, everywhere=True)
        programs = [session.get_program("p"), session.get_program("everywhere"), len(session.list_programs())]
        session.delete_program("p")
        session.delete_program("everywhere", everywhere=True)
        session.delete_variable("s")
        return {
            "id": made, "stale": stale, "past": past, "programs": programs, "t": session["t"], "type": proxy.type,
            "listed": [one["name"] for one in session.list_variables()], "n?": session.list_variables("n?"),
            "in": ["t" in session, "s" in session], "many": session.get_variables(["t", "n", "l"]),
            "results": {name: one if one is True else "refused" for name, one in results.items()},
        }  # fmt: skip

    async def execute_awaits(self, session: SessionContext) -> Any:
        """The same methods, awaited, plainly, and all at once."""
        await session.register_variable("t", "float", 0.5)
        await session.register_variable("flag", "boolean", True)
        version = await session.update_variable("t", 0.75)
        plainly = session.get_variable("t") + 1
        both = await asyncio.gather(session.get_variable("t"), session.list_variables("f*"))
        async with session.batch_updates(atomic=True) as batch:
            batch["t"] = 0.25
        session["n"] = 4
        try:
            await session.get_variable("nosuch")
            missing = "found"
        except VariableNotFoundError:
            missing = "missing"
        return {
            "version": version, "plainly": plainly, "gathered": [both[0], both[1][0]["name"]], "missing": missing,
            "t": await session.get_variable("t"), "flag": await session.get_variable("flag"), "n": session["n"],
        }  # fmt: skip

    def execute_special(self, session: SessionContext) -> list[str]:
        session.register_variable("inf", "float", float("-inf"))
        session.register_variable("nan", "float", float("nan"))
        return [str(session["inf"]), str(session["nan"]), type(session["inf"]).__name__]

    def execute_watch(self, pattern: str, most: int, session: SessionContext) -> Iterator[Any]:
        for number, change in enumerate(session.watch_variables(pattern), 1):
            yield [change["name"], change["event"], change["value"]]
            if number == most:
                return

    async def execute_awatch(self, session: SessionContext) -> AsyncIterator[Any]:
        async for change in session.watch_variables():
            yield change["value"]

    def execute_about(self, ctx: CallContext) -> Any:
        return [ctx.session_id, bool(ctx.session), ctx.metadata]

    def execute_until(self, name: str, value: Any, session: SessionContext) -> list[Any]:
        """Reads without a pause until the value is there; the values that it has seen."""
        seen = [session[name]]
        session["begun"] = True
        while seen[-1] != value:
            found = session[name]
            if seen[-1] != found:
                seen.append(found)
        return seen

    async def execute_auntil(self, name: str, value: Any, session: SessionContext) -> list[Any]:
        """The same, in the event loop, which it blocks and does not block in turn."""
        seen = [session[name]]
        session["begun"] = True
        while seen[-1] != value:
            found = session.get_variable(name) if len(seen) % 2 else await session.get_variable(name)
            if seen[-1] != found:
                seen.append(found)
        return seen


class Announced:
    """An adapter that is told its session."""

    context: SessionContext

    def set_session_context(self, context: SessionContext) -> None:
        self.context = context

    def execute_set(self, name: str, value: Any) -> None:
        self.context[name] = value

    def execute_who(self) -> Any:
        return self.context.session_id
