"""A thread that calls a function again and again, for what is shown while the main thread waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_SECONDS = 0.5


class Ticker:
    """Calls `tick` every half second, first after half a second, until `end`."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._over = False  # not an Event: `end` may run in a signal handler
        threading.Thread(target=self._run, name="ticker", daemon=True).start()

    def end(self) -> None:
        self._over = True

    def _run(self) -> None:
        while True:
            time.sleep(_SECONDS)
            if self._over:
                return
            self._tick()
