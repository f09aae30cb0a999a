"""What a handler may know about the call that it serves."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["CallCancelled", "CallContext"]


class CallCancelled(BaseException):
    """Raised inside a handler whose caller has gone away.

    It derives from BaseException so that `except Exception` does not swallow it; use `finally` to clean up.
    """


class CallContext:
    """One call, as its handler sees it. Ask for it with a parameter annotated `CallContext` or named `ctx`."""

    __slots__ = ("_cancelled", "command", "cwd", "deadline", "session")

    def __init__(self, command: str, session: str = "", cwd: str = "", deadline: float | None = None) -> None:
        self.command = command
        self.session = session
        """The session that the caller named; empty for none."""
        self.cwd = cwd
        """The caller's directory; empty when it is not known."""
        self.deadline = deadline
        """The instant (`time.monotonic()`) at which the caller stops waiting; None when it waits for ever."""
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """The caller has given up."""
        return self._cancelled

    def cancel(self) -> None:
        """Notes that the caller has given up. The bridge calls this; a handler has no reason to."""
        self._cancelled = True

    def remaining(self) -> float | None:
        """Seconds until the deadline, never negative; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def path(self, path: str | Path) -> Path:
        """A file name from the arguments, as the caller meant it: relative to the caller's directory."""
        return Path(self.cwd).joinpath(Path(path).expanduser())
