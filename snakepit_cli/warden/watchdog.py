"""Detects a stuck event loop: the server must send a tick every second, or it is ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from snakepit_cli.warden.loop import Loop

SILENCE_SECONDS = 10.0
"""How long a server may be silent, also while it starts."""
LOOK_SECONDS = 2.0
LAST_WORDS_SECONDS = 1.0
"""Time to write its stacks into the log before it is killed."""


class Watchdog:
    """`dump` makes the server write its stacks and die, `kill` ends it if it cannot even do that."""

    def __init__(self, loop: Loop, dump: Callable[[], None], kill: Callable[[], None]) -> None:
        self._loop = loop
        self._dump = dump
        self._kill = kill
        self._heard: float | None = None
        self._due = time.monotonic()
        self._look()

    def heard(self) -> None:
        """To be called for each tick, and when a server has been started."""
        self._heard = time.monotonic()

    def gone(self) -> None:
        """Stops watching: there is no server."""
        self._heard = None

    def _look(self) -> None:
        now, due = time.monotonic(), self._due
        self._due = now + LOOK_SECONDS
        self._loop.at(self._due, self._look)
        if self._heard is None:
            return
        if now - due > LOOK_SECONDS:
            # We were kept from running (a paused container, a laptop asleep), and the server most likely, too.
            self._heard = now
        elif now - self._heard > SILENCE_SECONDS:
            self._heard = None
            self._loop.at(now + LAST_WORDS_SECONDS, self._finish)
            self._dump()

    def _finish(self) -> None:
        if self._heard is None:
            self._kill()
