"""The smallest adapter of the original's shape: derive from it and write `execute_tool`."""

from __future__ import annotations

from typing import Any

from snakepit_bridge.session_context import SessionContext

__all__ = ["TemplateAdapter"]


class TemplateAdapter:
    """One method runs all commands. It does nothing before a subclass says what."""

    def __init__(self) -> None:
        self.session_context: SessionContext | None = None
        self.initialized = False

    def set_session_context(self, session_context: SessionContext) -> None:
        """Called before each call. Without a session the context is false."""
        self.session_context = session_context

    async def initialize(self) -> None:
        """Called once in the worker, before its first call."""
        self.initialized = True

    async def cleanup(self) -> None:
        """Called once before the worker exits."""
        self.initialized = False

    def get_info(self) -> dict[str, Any]:
        """What the adapter is, for people."""
        session = self.session_context
        return {
            "adapter": type(self).__name__,
            "template": type(self) is TemplateAdapter,
            "initialized": self.initialized,
            "session_id": session.session_id if session else None,
        }

    def execute_tool(self, tool_name: str, arguments: dict[str, Any], context: SessionContext) -> Any:
        """Runs a command. A generator streams."""
        raise NotImplementedError(f"{type(self).__name__} is a template: write its execute_tool()")
