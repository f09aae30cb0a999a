"""What a handler's requests to the server fail with. All derive from CallFailedError; `kind` tells them apart, too."""

from __future__ import annotations

__all__ = [
    "AlreadyExistsError", "CallFailedError", "HistoryLostError", "InUseError", "InvalidValueError", "NoSessionError",
    "ProgramNotFoundError", "QuotaExceededError", "SessionExpiredError", "StateUnavailableError", "ToolNotFoundError",
    "ToolUnavailableError",
    "VariableNotFoundError", "VersionConflictError", "error_of",
]  # fmt: skip


class CallFailedError(Exception):
    """A call that a handler made has failed. `kind` is one of snakepit's kinds of error ("worker_crashed", …).

    `type` and `traceback` are those of what the other handler raised, in its language; empty when it raised nothing.
    """

    wants_json = False
    """The called worker takes no binary arguments, and has run nothing."""

    def __init__(self, kind: str, message: str, type_: str = "", traceback: str = "") -> None:
        text = f"{kind}: {type_}: {message}" if type_ else f"{kind}: {message}"
        # One that went through a handler is told once, and not once for each handler on the way.
        super().__init__(message if type_ == "CallFailedError" else text)
        self.kind = kind
        self.message = message
        self.type = type_
        self.traceback = traceback

    def __str__(self) -> str:
        """The text as it is: KeyError, which some derive from, would quote it."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        return type(self), (self.kind, self.message, self.type, self.traceback)


class NoSessionError(CallFailedError):
    """The call has no session: there is nothing to read variables from."""

    def __init__(self, kind: str = "session_not_found", message: str = "", *more: str) -> None:
        super().__init__(kind, message or "the call has no session: name one, as with `snakepit exec --session`", *more)


class SessionExpiredError(CallFailedError):
    """The session has ended, was removed, or has never held anything."""


class VariableNotFoundError(CallFailedError, KeyError):
    """The session has no such variable."""


class ProgramNotFoundError(CallFailedError, KeyError):
    """There is no such program."""


class ToolNotFoundError(CallFailedError, KeyError):
    """The session has no such tool."""


class ToolUnavailableError(CallFailedError):
    """The process that offered the tool is gone."""


class InvalidValueError(CallFailedError, ValueError):
    """The value does not fit the variable's type or its constraints."""


class AlreadyExistsError(CallFailedError):
    """Something of this name exists already."""


class InUseError(CallFailedError):
    """Something else depends on it."""


class VersionConflictError(CallFailedError):
    """The variable has another version than the expected one."""


class QuotaExceededError(CallFailedError):
    """A limit of the configuration is reached."""


class HistoryLostError(CallFailedError):
    """That version is not kept any more."""


class StateUnavailableError(CallFailedError):
    """The server cannot use the file with the sessions."""


_CLASSES: dict[str, type[CallFailedError]] = {
    "session_not_found": SessionExpiredError,
    "variable_not_found": VariableNotFoundError,
    "program_not_found": ProgramNotFoundError,
    "tool_not_found": ToolNotFoundError,
    "tool_unavailable": ToolUnavailableError,
    "invalid_value": InvalidValueError,
    "already_exists": AlreadyExistsError,
    "in_use": InUseError,
    "version_conflict": VersionConflictError,
    "quota_exceeded": QuotaExceededError,
    "history_lost": HistoryLostError,
    "state_unavailable": StateUnavailableError,
}
"""By the server's kind of error; all others are a plain CallFailedError."""


def error_of(kind: str, message: str, type_: str = "", traceback: str = "") -> CallFailedError:
    """The exception for a kind of error."""
    return _CLASSES.get(kind, CallFailedError)(kind, message, type_, traceback)
