"""The base class of adapters and the decorator that makes a method a command."""

from __future__ import annotations

from typing import Any, Callable, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])

COMMAND_MARK = "__snakepit_command__"


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
