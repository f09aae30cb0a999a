"""Chunks of streams in the original's form: objects with `data` and `is_final`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

__all__ = ["PLAIN", "stepwise", "unwrapped"]

PLAIN = frozenset({dict, list, str, int, float, bool, type(None), tuple, bytes})
"""Types that are no such objects."""


def unwrapped(chunk: Any) -> Any:
    """What the reader of a stream gets: the data, with `is_final` beside them."""
    if type(chunk) in PLAIN or not (hasattr(chunk, "is_final") and hasattr(chunk, "data")):
        return chunk
    data, final = chunk.data, bool(chunk.is_final)
    return {**data, "is_final": final} if isinstance(data, dict) else {"data": data, "is_final": final}


async def stepwise(chunks: Generator[Any, None, Any]) -> AsyncGenerator[Any, None]:
    """A plain generator that an async handler has returned, in the event loop: each step blocks it."""
    try:
        for chunk in chunks:
            yield chunk
    finally:
        chunks.close()
