"""Commands that show how calls, streams and failures look."""

from __future__ import annotations

import builtins
import os
import platform
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from snakepit_bridge.adapters.base import command

__all__ = ["BasicCommands"]

_STARTED = time.monotonic()


class BasicCommands:
    """ping, echo, info, sleep, fail, ping_stream."""

    @command
    def ping(self, message: str | None = None, test: bool = False) -> dict[str, Any]:
        """Answers at once.

        Args:
            message: Sent back with the answer.
            test: Changes nothing.
        """
        _ = test
        answer = {"status": "pong", "timestamp": time.time()}
        return answer if message is None else {**answer, "message": message}

    @command
    def echo(self, /, **arguments: Any) -> dict[str, Any]:
        """Sends its arguments back, unchanged."""
        return arguments

    @command
    def info(self) -> dict[str, Any]:
        """Says which worker answers: interpreter, process, platform, commands."""
        from snakepit_bridge.describe import commands_of

        return {
            "adapter": type(self).__name__,
            "language": "python",
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "platform": platform.platform(),
            "pid": os.getpid(),
            "uptime_seconds": round(time.monotonic() - _STARTED, 3),
            "commands": sorted(commands_of(type(self))),
        }

    @command
    def sleep(self, seconds: float) -> dict[str, Any]:
        """Does nothing for a while.

        Args:
            seconds: How long.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds < 0:
            raise ValueError(f"seconds must be a number of at least 0, not {seconds!r}")
        time.sleep(seconds)
        return {"slept": seconds}

    @command
    def fail(self, type: str = "RuntimeError", message: str = "this command always fails") -> NoReturn:  # noqa: A002
        """Raises an exception.

        Args:
            type: Name of a built-in exception class.
            message: Its text.
        """
        error = getattr(builtins, type, None)
        if not (isinstance(error, builtins.type) and issubclass(error, BaseException)):
            raise ValueError(f"`{type}` is not a built-in exception")  # noqa: TRY004 - wrong input
        try:
            raised = error(message)
        except TypeError:
            raised = error(*_EXTRA_ARGUMENTS.get(type, ()))
        raise raised

    @command
    def ping_stream(self, count: int = 5, interval: float = 0.0) -> Iterator[dict[str, Any]]:
        """Streams pings.

        Args:
            count: How many.
            interval: Seconds between two of them.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"count must be a whole number of at least 0, not {count!r}")
        if isinstance(interval, bool) or not isinstance(interval, (int, float)) or interval < 0:
            raise ValueError(f"interval must be a number of at least 0, not {interval!r}")
        return _pings(count, interval)


_EXTRA_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "UnicodeDecodeError": ("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "UnicodeEncodeError": ("ascii", "\xff", 0, 1, "ordinal not in range"),
    "UnicodeTranslateError": ("\xff", 0, 1, "no translation"),
    "ExceptionGroup": ("a group", [RuntimeError("its only member")]),
    "BaseExceptionGroup": ("a group", [RuntimeError("its only member")]),
}


def _pings(count: int, interval: float) -> Iterator[dict[str, Any]]:
    now, percent = time.time, 100.0 / count if count else 100.0
    for number in range(1, count + 1):
        yield {
            "ping": number,
            "count": count,
            "timestamp": now(),
            "progress_percent": 100.0 if number == count else number * percent,
        }
        if interval and number < count:
            time.sleep(interval)
