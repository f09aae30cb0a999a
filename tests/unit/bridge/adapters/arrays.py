"""Commands that take and give arrays and bytes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Optional

import numpy as np
import pyarrow as pa
from snakepit_bridge import BaseAdapter, Binary, command


class Arrays(BaseAdapter):
    @command
    def kinds(self, **values: Any) -> Any:
        """What each argument is."""
        return {name: [type(one).__name__, str(getattr(one, "dtype", "")), len(one)] for name, one in values.items()}

    @command
    def echo(self, x: Any) -> Any:
        return x

    @command
    def doubled(self, x: Any) -> Any:
        return np.asarray(x) * 2

    @command
    def total(self, x: np.ndarray) -> float:
        assert not x.flags.writeable or x.base is None
        return float(x.sum())

    @command
    def listed(self, x: list[float]) -> Any:
        return [type(x).__name__, x]

    @command
    def text(self, x: str) -> str:
        return x

    @command
    def view(self, x: memoryview) -> Any:
        return [type(x).__name__, x.readonly, bytes(x)]

    @command
    def changeable(self, x: Optional[bytearray] = None) -> Any:
        return None if x is None else type(x).__name__

    @command
    def picture(self, x: Binary) -> Binary:
        return Binary(bytes(x)[::-1], x.type)

    @command
    def table(self, x: pa.Table) -> pa.Table:
        return x.append_column("double", pa.array([2 * one for one in x["a"].to_pylist()]))

    @command
    def batch(self, x: pa.RecordBatch) -> int:
        return x.num_rows

    @command
    def same_array(self, n: int) -> Iterator[Any]:
        """Each chunk is the same array, changed."""
        one = np.zeros(2)
        for _ in range(n):
            one += 1
            yield one

    @command
    def mixed(self, n: int, size: int) -> Iterator[Any]:
        yield {"begun": True}
        for number in range(n):
            yield [number, np.full(size, float(number))] if number % 3 == 0 else {"n": number}

    @command
    async def amixed(self, n: int, size: int) -> AsyncIterator[Any]:
        for chunk in self.mixed(n, size):
            yield chunk

    @command
    def own_keys(self) -> Iterator[Any]:
        yield self.own_key()

    @command
    async def later(self, n: int) -> AsyncIterator[Any]:
        for number in range(n):
            await asyncio.sleep(0)
            yield b"%d" % number

    @command
    async def soon(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return {"got": x}

    @command
    def own_key(self) -> Any:
        return [b"x", {"$binary": 0}]

    @command
    def large(self) -> Any:
        return np.zeros(1 << 20)
