"""Tools of this worker that its own handlers call: they are run at once, because the worker is busy with the caller."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from snakepit_bridge import jsonio
from snakepit_bridge.arguments import Bound, parse
from snakepit_bridge.context import Asks, CallContext
from snakepit_bridge.errors import CallFailedError
from snakepit_bridge.failures import Refusal, format_trimmed
from snakepit_bridge.runtime.nested_values import decode, encode
from snakepit_bridge.tools import Offered, ToolCall

__all__ = ["run", "run_later"]


def run(offered: Offered, call: ToolCall, asker: Asks) -> Any:
    """The answer, as another worker would have given it. Raises CallFailedError."""
    try:
        value = _begun(offered, call, asker)
        if inspect.isawaitable(value) or inspect.isasyncgen(value):
            value = asyncio.run(_settled(value))
        return _answer(value)
    except Exception as error:
        raise _told(error) from error


async def run_later(offered: Offered, call: ToolCall, asker: Asks) -> Any:
    """`run` for an event loop."""
    try:
        return _answer(await _settled(_begun(offered, call, asker)))
    except Exception as error:
        raise _told(error) from error


def _begun(offered: Offered, call: ToolCall, asker: Asks) -> Any:
    offered.bound = bound = offered.bound or Bound(offered.adapter, offered.command)
    arguments = parse(encode(call.arguments), bound)
    bound.check(arguments)
    return bound(arguments, CallContext(call.name, call.session, asker=asker) if bound.wants_context else None)


async def _settled(value: Any) -> Any:
    if inspect.isawaitable(value):
        value = await value
    return [one async for one in value] if inspect.isasyncgen(value) else value


def _answer(value: Any) -> Any:
    if inspect.isgenerator(value):
        value = list(value)
    return decode(encode(value))


def _told(error: Exception) -> CallFailedError:
    if isinstance(error, CallFailedError):
        return error
    if isinstance(error, Refusal):
        return CallFailedError("invalid_arguments", error.failure.message)
    kind = "invalid_result" if isinstance(error, jsonio.NoJsonForm) else "command_failed"
    return CallFailedError(kind, str(error), type(error).__name__, format_trimmed(error))
