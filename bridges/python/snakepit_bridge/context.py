"""What a handler can know about the call that it serves."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from snakepit_bridge.errors import CallFailedError
from snakepit_bridge.session_context import Server, SessionContext

__all__ = ["CallCancelled", "CallContext", "CallFailedError"]


class CallCancelled(BaseException):
    """Raised inside a handler whose call has been cancelled.

    It derives from BaseException so that `except Exception` does not swallow it; use `finally` to clean up.
    """


class Asks(Server, Protocol):
    """Makes calls and queries for a handler: runtime/asker.py."""

    def wait(self, command: str, args: dict[str, Any], **more: Any) -> Any: ...

    async def later(self, command: str, args: dict[str, Any], **more: Any) -> Any: ...


class CallContext:
    """One call, as its handler sees it. Ask for it with a parameter annotated `CallContext`."""

    __slots__ = ("_asker", "_cancelled", "_session", "command", "cwd", "deadline", "metadata", "session_id")

    def __init__(  # noqa: PLR0917
        self,
        command: str,
        session: str = "",
        cwd: str = "",
        deadline: float | None = None,
        asker: Asks | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        self.command = command
        self.session_id = session
        """The caller's session; empty without one."""
        self.metadata = metadata if metadata is not None else {}
        """What the caller has said about the call: `snakepit exec --meta key=value`."""
        self.cwd = cwd
        """The caller's directory; empty when it is not known."""
        self.deadline = deadline
        """The deadline, an instant of `time.monotonic()`; None without one."""
        self._cancelled = False
        self._asker = asker
        self._session: SessionContext | None = None

    @property
    def session(self) -> SessionContext:
        """Variables and programs of the caller's session. Without a session it is false, and its methods raise."""
        if self._session is None:
            self._session = SessionContext(self._asker, self.session_id, metadata=self.metadata)
        return self._session

    @property
    def cancelled(self) -> bool:
        """Whether the call has been cancelled."""
        return self._cancelled

    def cancel(self) -> None:
        """Marks the call as cancelled. For the bridge, not for handlers."""
        self._cancelled = True

    def remaining(self) -> float | None:
        """Seconds until the deadline, never negative; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - monotonic())

    def path(self, path: str | Path) -> Path:
        """A file name from the arguments, as the caller meant it: relative to the caller's directory.

        Raises ValueError when that is not known.
        """
        found = Path(path).expanduser()
        if not self.cwd and not found.is_absolute():
            raise ValueError(f"{path}: the caller's directory is not known (is its name UTF-8?); give an absolute path")
        return Path(self.cwd).joinpath(found)

    def call(
        self, command: str, *, pool: str = "", session: str = "", timeout: float | None = None, **arguments: Any
    ) -> Any:
        """The result of another command, of this pool or of `pool`, whatever its language.

        It inherits this call's deadline and is cancelled with it. Raises CallFailedError. Async handlers use
        `await ctx.call_async(…)`. A call that all workers of its pool wait for is refused with `call_loop`.

        Arguments and results may hold arrays and bytes; arrays come read-only. Workers that take only JSON get lists.
        """
        return self._ask().wait(command, arguments, pool=pool, session=session, timeout=timeout)

    async def call_async(
        self, command: str, *, pool: str = "", session: str = "", timeout: float | None = None, **arguments: Any
    ) -> Any:
        """`call` for async handlers: several may be awaited at once."""
        return await self._ask().later(command, arguments, pool=pool, session=session, timeout=timeout)

    def _ask(self) -> Asks:
        if self._asker is None:
            raise CallFailedError("unavailable", "there is no server to call: the adapter runs by itself")
        return self._asker
