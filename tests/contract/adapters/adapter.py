"""What tests/contract calls, in Python."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from typing import Any

from snakepit_bridge import BaseAdapter, CallContext, CallFailedError, command


class RangeError(Exception):
    pass


class Adapter(BaseAdapter):
    def initialize(self) -> None:
        self.value: Any = 0

    @command
    def conformance(self) -> None:
        pass

    @command
    def add(self, a: int, b: int = 1) -> dict[str, int]:
        return {"sum": a + b}

    @command
    def echo(self, **args: Any) -> dict[str, Any]:
        return args

    @command
    def repeat(self, value: Any, n: int) -> Iterator[Any]:
        for number in range(n):
            yield number
            yield [value, number]

    @command
    def fail(self, message: str) -> None:
        raise IndexError(message)

    @command
    def who(self) -> int:
        return os.getpid()

    @command
    def keep(self, value: Any) -> Any:
        self.value = value
        return value

    @command
    def kept(self) -> Any:
        return self.value

    @command
    def nap(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    @command
    def burn(self, seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return "burnt"

    @command
    def count(self, n: int, pause: float = 0) -> Iterator[int]:
        for number in range(n):
            if pause:
                time.sleep(pause)
            yield number

    @command
    def big(self, size: int) -> str:
        return "x" * size

    @command
    def leave(self) -> None:
        os._exit(3)

    @command
    def die(self) -> None:
        os.kill(os.getpid(), 9)

    @command
    def say(self, text: str) -> None:
        print(text)

    @command
    def left(self, ctx: CallContext) -> float | None:
        return ctx.remaining()

    @command
    def unfit(self) -> float:
        return float("nan")

    @command
    def odd(self, what: str) -> Any:
        circle: dict[str, Any] = {"a": [1, {}]}
        circle["a"][1]["back"] = circle
        return {
            "nan": {"scores": [1, 2, math.nan], "n": None},
            "infinity": [{"a b": -math.inf}],
            "object": {"model": object()},
            "circle": circle,
            "error": {"e": RangeError("no")},
        }[what]

    @command
    def odds(self) -> Iterator[Any]:
        yield 1
        yield [math.nan]

    @command
    def session(self, ctx: CallContext) -> str:
        return ctx.session_id

    @command
    def ask(self, command: str, args: dict[str, Any], pool: str, ctx: CallContext) -> Any:
        try:
            return ctx.call(command, pool=pool, **args)
        except CallFailedError as error:
            return [error.kind, str(error)]
