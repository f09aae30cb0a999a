"""Gives back what it is given."""

import time
from collections.abc import Iterator
from typing import Any

from snakepit_bridge import CallContext


def same(data: Any) -> Any:
    return data


def chunks(data: Any, n: int) -> Iterator[Any]:
    for _ in range(n):
        yield data


def between(ctx: CallContext, data: Any, pool: str, n: int) -> list[float]:
    """Seconds of each of `n` calls that take the data to a worker of another pool and back."""
    taken = []
    for _ in range(n):
        began = time.perf_counter()
        ctx.call("same", pool=pool, data=data)
        taken.append(time.perf_counter() - began)
    return taken


def length(data: Any) -> int:
    return len(data)
