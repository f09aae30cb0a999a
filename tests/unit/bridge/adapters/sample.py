"""Commands that behave and misbehave, for tests of the worker."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from snakepit_bridge import BaseAdapter, CallCancelled, CallContext, command


class Sample(BaseAdapter):
    def __init__(self) -> None:
        self.state = 0

    def initialize(self) -> None:
        self.state = 100

    def cleanup(self) -> None:
        note = os.environ.get("CLEANUP_NOTE")
        if note:
            with open(note, "a") as file:
                file.write("cleaned\n")
        if os.environ.get("CLEANUP_HANGS"):
            time.sleep(60)

    def execute_add(self, a: int, b: int = 1) -> int:
        """Adds two numbers.

        More about it.

        Args:
            a: The first one.
            b (int): The second one,
                which has a default.
        """
        return a + b

    def execute_whole(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"keys": sorted(args)}

    @command
    async def later(self, value: Any = None) -> Any:
        await asyncio.sleep(0)
        return value

    @command
    def doubled(self, items: list[Any], times: int = 2, odd: str = "") -> Any:
        if "odd" not in items:
            return [[one] * times for one in items]
        if odd == "raise":
            raise ValueError("no more")
        if odd == "leave":
            sys.exit(3)
        return {"few": [1], "none": None, "set": [object(), 1]}[odd]

    @command
    def each(self, item: list[Any]) -> Iterator[Any]:
        yield from item

    @command
    def about_all(self, item: list[Any], ctx: CallContext) -> list[Any]:
        return [[ctx.command, one] for one in item]

    @command
    def busy_with(self, item: list[Any]) -> Any:
        while item:
            pass

    @command("renamed")
    def original(self, /, **anything: Any) -> Any:
        return anything

    @command
    def bump(self) -> int:
        self.state += 1
        return self.state

    @command
    def about(self, ctx: CallContext, name: str = "x") -> Any:
        return {
            "command": ctx.command,
            "session": ctx.session_id,
            "cwd": ctx.cwd,
            "path": str(ctx.path(name)),
            "limited": ctx.deadline is not None and 0 < (ctx.remaining() or 0) <= 5,
        }

    # ------------------------------------------------------------------ streams

    @command
    def count(self, n: int, pad: int = 0) -> Iterator[Any]:
        for i in range(n):
            yield [i, "x" * pad] if pad else i
        return "done"

    @command
    async def acount(self, n: int, pad: int = 0) -> AsyncIterator[Any]:
        for i in range(n):
            yield [i, "x" * pad] if pad else i

    @command
    def endless(self, note: str = "", pause: float = 0.0) -> Iterator[int]:
        i = 0
        try:
            while True:
                yield i
                i += 1
                if pause:
                    time.sleep(pause)
        finally:
            if note:
                with open(note, "w") as file:
                    file.write(str(i))

    @command
    def breaks(self) -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    @command
    def bad_chunk(self) -> Iterator[Any]:
        yield 1
        yield object()

    # ------------------------------------------------------------------ work that is cancelled

    @command
    def busy(self) -> None:
        while True:
            pass

    @command
    def nap(self, seconds: float = 60, note: str = "") -> str:
        try:
            time.sleep(seconds)
        except CallCancelled:
            if note:
                with open(note, "w") as file:
                    file.write("cancelled")
            raise
        return "slept"

    @command
    def listen(self) -> bytes:
        here, there = socket.socketpair()
        with here, there:
            return here.recv(1)

    @command
    async def anap(self, seconds: float = 60) -> str:
        await asyncio.sleep(seconds)
        return "slept"

    # ------------------------------------------------------------------ trouble

    @command
    def noise(self) -> str:
        print("to stdout", "\x00\udcff")
        print("to stderr", file=sys.stderr)
        os.write(1, b"raw bytes\n")
        return "ok"

    @command
    def raises(self) -> None:
        def inner() -> None:
            raise LookupError("deep down")

        try:
            inner()
        except LookupError as error:
            raise ValueError("outside") from error

    @command
    def leaves(self) -> None:
        sys.exit(3)

    @command
    async def aleaves(self) -> None:
        sys.exit(3)

    @command
    def interrupted(self) -> None:
        raise KeyboardInterrupt

    @command
    def unprintable(self) -> None:
        raise Unprintable

    @command
    def large(self, size: int) -> str:
        return "x" * size

    @command
    def odd(self, what: str) -> Any:
        return {"nan": float("nan"), "inf": [float("inf")], "object": object(), "set": {1}, "bytes": b"ab"}[what]


class Unprintable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


class Concurrent(BaseAdapter):
    capacity = 3

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.gate: asyncio.Event | None = None

    async def initialize(self) -> None:
        self.gate = asyncio.Event()

    @command
    async def meet(self) -> int:
        assert self.gate is not None
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == 3:
            self.gate.set()
        await self.gate.wait()
        self.running -= 1
        return self.most

    @command
    async def nap(self, seconds: float = 60) -> str:
        await asyncio.sleep(seconds)
        return "slept"

    @command
    async def endless(self) -> AsyncIterator[int]:
        i = 0
        while True:
            yield i
            i += 1

    @command
    async def quick(self, value: Any = None) -> Any:
        return value
