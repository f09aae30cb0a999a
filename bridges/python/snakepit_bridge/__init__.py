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
from snakepit_bridge.context import CallCancelled, CallContext
from snakepit_bridge.core import BaseCommandHandler, ProtocolHandler
from snakepit_bridge.datatypes import TypeValidator, VariableType
from snakepit_bridge.errors import (
    AlreadyExistsError,
    CallFailedError,
    HistoryLostError,
    InUseError,
    InvalidValueError,
    NoSessionError,
    ProgramNotFoundError,
    QuotaExceededError,
    SessionExpiredError,
    StateUnavailableError,
    VariableNotFoundError,
    VersionConflictError,
)
from snakepit_bridge.parts import Binary
from snakepit_bridge.session_context import SessionContext
from snakepit_bridge.variables import VariableProxy

__version__ = "0.1.0"
__all__ = [
    "AlreadyExistsError", "BaseAdapter", "BaseCommandHandler", "Binary", "CallCancelled", "CallContext",
    "CallFailedError",
    "HistoryLostError", "InUseError", "InvalidValueError", "NoSessionError", "ProgramNotFoundError", "ProtocolHandler",
    "QuotaExceededError", "SessionContext", "SessionExpiredError", "StateUnavailableError", "TypeValidator",
    "VariableNotFoundError", "VariableProxy", "VariableType", "VersionConflictError", "__version__", "command",
]  # fmt: skip
