"""An adapter whose commands are marked with `@tool`.

snakepit up tools --adapter examples/original/tools_adapter.py
snakepit exec process_text text=hello operation=upper --pool tools
"""

from __future__ import annotations

from typing import Any

from snakepit_bridge.base_adapter import BaseAdapter, tool

OPERATIONS = {"upper": str.upper, "lower": str.lower, "reverse": lambda text: text[::-1], "length": len}


class ToolsAdapter(BaseAdapter):
    @tool(description="Changes a text")
    def process_text(self, text: str, operation: str = "upper") -> dict[str, Any]:
        if operation not in OPERATIONS:
            return {
                "success": False,
                "error": f"Unknown operation: {operation}",
                "available_operations": list(OPERATIONS),
            }
        return {
            "original": text,
            "operation": operation,
            "result": OPERATIONS[operation](text),
            "success": True,
        }

    @tool(description="Counts", supports_streaming=True)
    def count(self, to: int = 3):
        yield from range(1, to + 1)

    def not_a_command(self) -> None:
        """Without the mark it cannot be called."""
