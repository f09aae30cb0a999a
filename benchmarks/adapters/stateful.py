"""Measures from within a handler: variables, calls and tools. Times are seconds, one for each request."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from snakepit_bridge import BaseAdapter, CallContext, command


class Stateful(BaseAdapter):
    @command
    def empty(self) -> None:
        """The call that others are compared with."""

    @command
    def offer(self, ctx: CallContext) -> str:
        name: str = ctx.session.register_tool(_empty, name="empty")
        return name

    @command
    def kept(self, count: int, ctx: CallContext) -> float:
        """Seconds of one read of a variable that is kept, from `count` of them."""
        session = ctx.session
        session.get_variable("x")
        started = perf_counter()
        for _ in range(count):
            session.get_variable("x")
        return (perf_counter() - started) / count

    @command
    def read(self, count: int, ctx: CallContext) -> list[float]:
        session = ctx.session

        def one() -> None:
            session.clear_cache()
            session.get_variable("x")

        return _times(one, count)

    @command
    def write(self, count: int, ctx: CallContext) -> list[float]:
        session = ctx.session
        return _times(lambda: session.update_variable("x", 1.5), count)

    @command
    def call(self, count: int, ctx: CallContext) -> list[float]:
        return _times(lambda: ctx.call("empty", pool="other"), count)

    @command
    def tool(self, count: int, ctx: CallContext) -> list[float]:
        return _times(lambda: ctx.session.call_tool("empty"), count)


def _empty() -> None:
    """The tool that does nothing."""


def _times(one: Callable[[], Any], count: int) -> list[float]:
    taken = []
    for _ in range(count):
        started = perf_counter()
        one()
        taken.append(perf_counter() - started)
    return taken
