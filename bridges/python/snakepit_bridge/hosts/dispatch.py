"""Adapters with one method for all commands, as the original has it: `execute_tool(tool_name, arguments, context)`.

`get_tools()` says what can be called: strings, dicts with a `name`, or objects with one (base_adapter.py). Without it,
or when it names nothing, whatever is called reaches `execute_tool`, which raises for what it does not know.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from snakepit_bridge.adapters.base import COMMAND_MARK, TOOL_MARK, BaseAdapter
from snakepit_bridge.base_adapter import tools_of
from snakepit_bridge.context import CallContext
from snakepit_bridge.describe import ANY, DISPATCHER, HIDDEN, session_parameter
from snakepit_bridge.session_context import SessionContext

__all__ = ["hosted", "is_dispatcher"]


def is_dispatcher(cls: type) -> bool:
    """Whether the class has an `execute_tool`, and nothing has been made of it yet."""
    return callable(getattr(cls, DISPATCHER, None)) and HIDDEN not in vars(cls)


def hosted(cls: type) -> type:
    """A subclass with a command for each tool."""
    takes_context = _takes_context(getattr(cls, DISPATCHER))
    tools = {_name(one): one for one in _offered(cls)}
    if not tools:
        tools = {ANY: {"description": "Whatever the adapter knows."}}
    methods: dict[str, Any] = {f"run {name}": _command(cls, name, one, takes_context) for name, one in tools.items()}
    # Methods of the adapter that are behind a tool of the same name are reached through execute_tool only.
    methods[HIDDEN] = frozenset(name for name in tools if hasattr(getattr(cls, name, None), TOOL_MARK))
    methods["__module__"] = cls.__module__
    return type(cls.__name__, (cls,), methods)


def _offered(cls: type) -> Iterable[Any]:
    own = inspect.getattr_static(cls, "get_tools", None)
    if own is None or own is inspect.getattr_static(BaseAdapter, "get_tools"):
        return tools_of(cls)
    if isinstance(own, (staticmethod, classmethod)):
        return list(cls.get_tools())  # type: ignore[attr-defined]
    session = session_parameter(cls)
    return list(cls(**({} if session is None else {session: SessionContext(None)})).get_tools())


def _name(tool: Any) -> str:
    return str(_fact(tool, "name", tool))


def _fact(tool: Any, name: str, otherwise: Any) -> Any:
    return tool.get(name, otherwise) if isinstance(tool, dict) else getattr(tool, name, otherwise)


def _takes_context(function: Callable[..., Any]) -> bool:
    """Whether it has a parameter beside self, the name and the arguments."""
    parameters = inspect.signature(function).parameters.values()
    several = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return len(several) > 3 or any(one.kind is one.VAR_POSITIONAL for one in parameters)


def _command(cls: type, name: str, tool: Any, takes_context: bool) -> Callable[..., Any]:
    def arguments_of(arguments: dict[str, Any], ctx: CallContext) -> tuple[Any, ...]:
        what = ctx.command if name == ANY else name
        return (what, arguments, ctx.session) if takes_context else (what, arguments)

    def run(self: Any, arguments: dict[str, Any], ctx: CallContext) -> Any:
        return self.execute_tool(*arguments_of(arguments, ctx))

    async def later(self: Any, arguments: dict[str, Any], ctx: CallContext) -> Any:
        return await self.execute_tool(*arguments_of(arguments, ctx))

    def stream(self: Any, arguments: dict[str, Any], ctx: CallContext) -> Iterator[Any]:
        return run(self, arguments, ctx)  # type: ignore[no-any-return]

    made: Any = later if inspect.iscoroutinefunction(getattr(cls, DISPATCHER)) else run
    if made is run and _fact(tool, "supports_streaming", False):
        made = stream
    made.__doc__ = str(_fact(tool, "description", "") or "")
    setattr(made, COMMAND_MARK, name)
    return made  # type: ignore[no-any-return]
