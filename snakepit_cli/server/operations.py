"""What changes the instance and takes a while. It belongs to the instance: it goes on when its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from snakepit_cli.base.errors import PitError

T = TypeVar("T")


class Operations:
    """Those that are under way."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, operation: Coroutine[Any, Any, T]) -> T:
        """Its result. It runs to its end even when the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(operation)
        self._running.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()  # looked at, so that asyncio does not complain when the caller has gone
        if error is not None and not isinstance(error, PitError):
            context = {"message": "an operation failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)
