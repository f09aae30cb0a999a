"""Coalesces writes: callbacks queued during one iteration of the event loop run once, at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Coalescer:
    """For messages to workers, frames to clients and timers.

    Code that handles several inputs in a row sets `held` and calls `flush` at the end: that saves one iteration.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun: list[Callable[[], None]] = []
        self.held = False
        """The code that sets it must call `flush`, also after an exception."""

    def begun(self, finish: Callable[[], None]) -> None:
        if not self._begun and not self.held:
            self._loop.call_soon(self.flush)
        self._begun.append(finish)

    def flush(self) -> None:
        self.held = False
        while self._begun:
            begun, self._begun = self._begun, []
            for finish in begun:
                try:
                    finish()
                except Exception as error:  # noqa: BLE001 - the others must leave
                    self._loop.call_exception_handler(
                        {"message": "something begun was not finished", "exception": error}
                    )
