"""Command handlers of the original's simple kind (core.py) as adapters."""

from __future__ import annotations

from typing import Any, Callable

from snakepit_bridge.adapters.base import COMMAND_MARK, BaseAdapter
from snakepit_bridge.core import BaseCommandHandler

__all__ = ["hosted", "is_handler"]


def is_handler(cls: type) -> bool:
    return issubclass(cls, BaseCommandHandler)


def hosted(cls: type, made: BaseCommandHandler | None = None) -> type[BaseAdapter]:
    """An adapter with a command for each that the handler registers. `made`: the handler, if there is one already."""
    names = (made or cls()).get_supported_commands()

    def init(self: Any) -> None:
        self.handler = made or cls()

    methods: dict[str, Any] = {f"run {name}": _command(cls, name) for name in names}
    return type(cls.__name__, (BaseAdapter,), {**methods, "__init__": init, "__module__": cls.__module__})


def _command(cls: type, name: str) -> Callable[..., Any]:
    def run(self: Any, args: dict[str, Any]) -> Any:
        return self.handler.process_command(name, args)

    method = getattr(cls, f"handle_{name}", None)
    run.__doc__ = None if method is None else method.__doc__  # None has a docstring of its own, since Python 3.13
    setattr(run, COMMAND_MARK, name)
    return run
