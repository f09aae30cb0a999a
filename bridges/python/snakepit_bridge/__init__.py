"""Python workers for snakepit: write a class, its methods become commands.

from snakepit_bridge import BaseAdapter, command

class Words(BaseAdapter):
    @command
    def count(self, text: str) -> dict:
        "Counts the words of a text."
        return {"words": len(text.split())}
"""

from __future__ import annotations

from snakepit_bridge.adapters.base import BaseAdapter, command
from snakepit_bridge.context import CallCancelled, CallContext, CallFailedError

__version__ = "0.1.0"
__all__ = ["BaseAdapter", "CallCancelled", "CallContext", "CallFailedError", "__version__", "command"]
