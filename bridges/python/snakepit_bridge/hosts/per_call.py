"""A new adapter object for each call, as the original has it: `instance = "call"` in `[pools.NAME]`.

Also without that for a class that takes a SessionContext when it is made. Each object lives through
`set_session_context`, `initialize`, the command and `cleanup`. Objects are as quick to make as the class makes them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Callable

from snakepit_bridge.context import CallContext
from snakepit_bridge.describe import Command, session_parameter
from snakepit_bridge.runtime.stream_chunks import stepwise

__all__ = ["PerCall"]

CALL = "call"


class PerCall:
    """Makes the objects of one class."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._session = session_parameter(cls)

    @classmethod
    def of(cls, adapter: type, setting: str = "") -> PerCall | None:
        """None when one object of this class serves all calls. `setting` is that of the pool."""
        return cls(adapter) if setting == CALL or session_parameter(adapter) is not None else None

    def method(self, command: Command, context: CallContext) -> Callable[..., Any]:
        """The method of an object that is made when it is called."""
        return partial(self._later if command.is_async else self._now, command.attribute, context)

    def _make(self, context: CallContext) -> Any:
        one = self._cls(**({} if self._session is None else {self._session: context.session}))
        if inspect.getattr_static(one, "set_session_context", None) is not None:
            one.set_session_context(context.session)
        return one

    # ------------------------------------------------------------------------------------- in the main thread

    def _now(self, attribute: str, context: CallContext, *args: Any, **keywords: Any) -> Any:
        one = self._make(context)
        kept = False
        try:
            _run(_hook(one, "initialize"))
            value = getattr(one, attribute)(*args, **keywords)
            # What is not at its end here takes the object along.
            kept = True
            if isinstance(value, GeneratorType):
                return self._chunks(one, value)
            if isinstance(value, AsyncGeneratorType) or hasattr(type(value), "__await__"):
                return self._rest(one, value)
            kept = False
            return value
        finally:
            if not kept:
                _run(_hook(one, "cleanup"))

    def _chunks(self, one: Any, chunks: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
        try:
            return (yield from chunks)
        finally:
            _run(_hook(one, "cleanup"))

    # --------------------------------------------------------------------------------------- in an event loop

    async def _later(self, attribute: str, context: CallContext, *args: Any, **keywords: Any) -> Any:
        one = self._make(context)
        try:
            await _awaited(_hook(one, "initialize"))
            value = getattr(one, attribute)(*args, **keywords)
        except BaseException:
            await _awaited(_hook(one, "cleanup"))
            raise
        return await self._rest(one, value)

    async def _rest(self, one: Any, value: Any) -> Any:
        kept = False
        try:
            value = await _awaited(value)
            if isinstance(value, GeneratorType):
                value = stepwise(value)
            kept = isinstance(value, AsyncGeneratorType)
            return self._later_chunks(one, value) if kept else value
        finally:
            if not kept:
                await _awaited(_hook(one, "cleanup"))

    async def _later_chunks(self, one: Any, chunks: AsyncGeneratorType[Any, None]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()
            await _awaited(_hook(one, "cleanup"))


def _hook(one: Any, name: str) -> Any:
    """What a hook of the adapter returns. One that only a `__getattr__` makes up is none."""
    return getattr(one, name)() if inspect.getattr_static(one, name, None) is not None else None


async def _awaited(value: Any) -> Any:
    return await value if hasattr(type(value), "__await__") else value


def _run(value: Any) -> None:
    """To its end, if it is awaitable."""
    if hasattr(type(value), "__await__"):
        asyncio.run(_awaited(value))
