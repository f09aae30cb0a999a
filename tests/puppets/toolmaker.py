"""Offers tools, and uses those of others."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from snakepit_bridge import BaseAdapter, SessionContext, command


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


async def soon(n: int) -> int:
    await asyncio.sleep(0)
    return n


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


async def numbers_soon(n: int) -> AsyncIterator[int]:
    for one in range(n):
        yield await soon(one)


class Toolmaker(BaseAdapter):
    @command
    def offer(self, ctx: SessionContext) -> Any:
        ctx.register_tool(add, metadata={"kind": "sum"})
        ctx.register_tool(self.pid)
        return ctx.register_tool(self.nap)

    @command
    def offer_slow(self, ctx: SessionContext) -> Any:
        for function in (soon, numbers, numbers_soon):
            ctx.register_tool(function)

    def pid(self) -> int:
        return os.getpid()

    def nap(self, seconds: float) -> str:
        time.sleep(seconds)
        return "rested"

    @command
    def use(self, ctx: SessionContext, tool: str, arguments: dict[str, Any]) -> Any:
        return ctx.call_tool(tool, **arguments)

    @command
    def use_as_the_original_did(self, ctx: SessionContext, tool: str, arguments: dict[str, Any]) -> Any:
        return [ctx.elixir_tools[tool](**arguments), ctx.call_elixir_tool(tool, **arguments)]

    @command
    async def use_async(self, ctx: SessionContext, tool: str, arguments: dict[str, Any]) -> Any:
        return await ctx.call_tool(tool, **arguments)

    @command
    def total(self, ctx: SessionContext, tool: str, arguments: dict[str, Any]) -> Any:
        return sum(ctx.stream_tool(tool, **arguments))

    @command
    def names(self, ctx: SessionContext) -> Any:
        return sorted(ctx.tools)

    @command
    def told(self, ctx: SessionContext, tool: str, arguments: dict[str, Any]) -> Any:
        try:
            return ctx.call_tool(tool, **arguments)
        except Exception as error:  # noqa: BLE001
            return [type(error).__name__, getattr(error, "kind", ""), getattr(error, "type", ""), str(error)]

    @command
    def withdraw(self, ctx: SessionContext, tool: str) -> None:
        ctx.unregister_tool(tool)
