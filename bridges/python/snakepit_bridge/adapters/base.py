"""The base class of adapters and the decorator that makes a method a command."""

from __future__ import annotations

from typing import Any, Callable, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])

COMMAND_MARK = "__snakepit_command__"
TOOL_MARK = "_tool_metadata"
"""What `@tool` of base_adapter.py leaves at a method."""


class BaseAdapter:
    """What a pool runs. Deriving from it is a courtesy, not a duty: any class with commands is an adapter.

    Methods named `execute_<command>` and methods decorated with `@command` are the commands. They may be plain
    or `async`; generators stream their chunks.
    """

    capacity: int = 1
    """How many calls run at the same time. More than 1 counts only when every command is `async`."""

    def initialize(self) -> Any:
        """Called once in the worker before its first call; may be `async`. Load models here."""

    def cleanup(self) -> Any:
        """Called once before the worker exits in order; may be `async`. It has 3 seconds."""

    def get_tools(self) -> list[Any]:
        """The methods that are marked with `@tool`."""
        from snakepit_bridge.base_adapter import tools_of

        return list(tools_of(type(self)))

    def call_tool(self, tool_name: str, **arguments: Any) -> Any:
        """What such a method returns. Raises AttributeError when there is none."""
        method = getattr(self, tool_name, None)
        if not hasattr(method, TOOL_MARK):
            raise AttributeError(f"{type(self).__name__} has no tool `{tool_name}`")
        return method(**arguments)  # type: ignore[misc]

    def register_with_session(self, session: Any, stub: Any = None) -> Any:  # noqa: ARG002 - the original has it
        """Offers the methods that are marked with `@tool` to all that use the session; their names.

        `session` is a SessionContext. With the name of a session, as the original has it, the context is the one that
        `set_session_context` has kept as `session_context`.
        """
        context = getattr(self, "session_context", None) if isinstance(session, str) else session
        if context is None:
            raise TypeError("register_with_session() needs the SessionContext of the call")
        return context.register_tools([getattr(self, one.name) for one in self.get_tools()])


@overload
def command(target: F) -> F: ...
@overload
def command(target: str | None = None) -> Callable[[F], F]: ...


def command(target: F | str | None = None) -> F | Callable[[F], F]:
    """Makes a method a command: `@command` under its own name, `@command("name")` under another."""
    if target is not None and not isinstance(target, str):
        setattr(target, COMMAND_MARK, "")
        return target

    def mark(function: F) -> F:
        setattr(function, COMMAND_MARK, target or "")
        return function

    return mark
