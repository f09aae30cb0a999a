"""Handlers that call other commands."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from snakepit_bridge import CallContext, CallFailedError


class Asker:
    def execute_twice(self, number: int, ctx: CallContext) -> int:
        return int(ctx.call("double", number=number, pool="other")["double"])

    def execute_left(self, ctx: CallContext) -> Any:
        return ctx.call("left", pool="other")

    def execute_naps(self, seconds: float, ctx: CallContext) -> Any:
        return ctx.call("nap", seconds=seconds, pool="other")

    def execute_told(self, command: str, ctx: CallContext, pool: str = "other") -> Any:
        """What it is told of a call that fails."""
        try:
            return ctx.call(command, pool=pool)
        except CallFailedError as error:
            return [error.kind, error.type, error.message, "Traceback" in error.traceback]

    async def execute_gathered(self, numbers: list[int], ctx: CallContext) -> list[int]:
        found = await asyncio.gather(*(ctx.call_async("double", number=n, pool="other") for n in numbers))
        return [one["double"] for one in found]

    def execute_within(self, ctx: CallContext) -> Any:
        """Calls its own pool, whose only worker is busy with this call."""
        return self.execute_told("double", ctx, pool="")


class Other:
    def __init__(self) -> None:
        self.cancelled = 0

    def execute_double(self, number: int) -> dict[str, int]:
        return {"double": 2 * number}

    def execute_left(self, ctx: CallContext) -> float | None:
        return ctx.remaining()

    def execute_nap(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    def execute_break(self) -> None:
        raise LookupError("nothing there")
