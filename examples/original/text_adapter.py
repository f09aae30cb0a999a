"""An adapter of the template's shape: one method runs all commands, `get_tools` says which there are.

snakepit up text --adapter examples/original/text_adapter.py
snakepit exec reverse text=hello --pool text
snakepit stream spell text=hello --pool text
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from snakepit_bridge.adapters.showcase.tool import StreamChunk
from snakepit_bridge.adapters.template import TemplateAdapter
from snakepit_bridge.base_adapter import ToolRegistration
from snakepit_bridge.session_context import SessionContext


class TextAdapter(TemplateAdapter):
    def get_tools(self) -> list[ToolRegistration]:
        return [
            ToolRegistration("reverse", "The text from its end to its beginning."),
            ToolRegistration("spell", "Streams the letters of the text.", supports_streaming=True),
            ToolRegistration("who", "The session, and what the adapter says of itself."),
        ]

    def execute_tool(self, tool_name: str, arguments: dict[str, Any], context: SessionContext) -> Any:
        if tool_name == "reverse":
            return {"result": arguments["text"][::-1]}
        if tool_name == "spell":
            return self._spell(arguments["text"])
        return {"session": context.session_id, "info": self.get_info()}

    def _spell(self, text: str) -> Iterator[StreamChunk]:
        for number, letter in enumerate(text, 1):
            yield StreamChunk({"letter": letter, "number": number}, is_final=number == len(text))
