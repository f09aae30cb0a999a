"""What is begun in one turn of the event loop and finished at its end, so that many small things leave as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Coalescer:
    """Messages to workers, frames to clients, timers: each is begun once a turn, gathers, and is finished.

    Who is taking in several things holds the coalescer back and flushes it at the end: that saves a turn.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun: list[Callable[[], None]] = []
        self.held = False
        """Whoever sets it calls `flush`, whatever happens."""

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
