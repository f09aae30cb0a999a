"""Calls made one after another are answered sooner by a loop that does not sleep between their messages.

A process that sleeps takes tens of microseconds to wake. Where one client makes one call after the other, the next
message is there before that: the loop polls for a moment instead. It does so only while a processor is free for it.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

_SPIN_SECONDS = 80e-6
"""How long the loop polls after the last message. A quick command's answer, and the next call, come within that."""
_ROW = 16
"""Calls in a row before it begins: a client that makes a few is not worth it."""
_PAUSE_SECONDS = 2e-3
"""The longest pause between two calls of a row."""
_SAMPLED = 8
"""After so many calls each, the number of processes that want a processor is read."""
_CHECKED = 64
"""After so many calls each, it is decided whether a processor is free."""
_REST_SECONDS = (0.05, 3.2)
"""How long it does not poll: the first time, and at most. It doubles each time."""
_LOAD = "/proc/loadavg"
_QUOTA = "/sys/fs/cgroup/cpu.max"
"""The limit of a container."""


class SerialSpin:
    """Told of the calls of all clients. Never spins with one processor, beside blocks, or beside other calls."""

    def __init__(self, processors: int | None = None, running: Callable[[], int] | None = None) -> None:
        """`running`: how many threads of the machine run or wait for a processor, this one included."""
        self._open = 0
        self._row = 0
        self._closed_at = 0.0
        self._until = 0.0
        self.polls = False
        """The loop does not sleep."""
        self._rest = _REST_SECONDS[0]
        self._processors = processors or _processors()
        self._not_before = 0.0 if self._processors > 1 else math.inf
        self._running = running or _running
        self._least = sys.maxsize

    def began(self) -> None:
        """A call has come."""
        self._open += 1
        if self._open > 1:
            self._row = 0
            return
        now = time.monotonic()
        if now - self._closed_at > _PAUSE_SECONDS:
            self._row = 0
        self._row += 1
        if self._row % _SAMPLED == 0:
            self._look(now)
        self._poll(now)

    def ended(self) -> None:
        """It has been answered, or given up."""
        self._open -= 1
        if not self._open:
            self._closed_at = time.monotonic()
            self._poll(self._closed_at)

    def _poll(self, now: float) -> None:
        """For a moment, from now on."""
        if self._row < _ROW or now < self._not_before:
            return
        self._until = now + _SPIN_SECONDS
        if not self.polls:
            self.polls = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.polls = self._row >= _ROW and time.monotonic() < self._until
        if self.polls:
            asyncio.get_running_loop().call_soon(self._turn)

    def _look(self, now: float) -> None:
        """Whether a processor is free beside this one for the client and the worker, which take turns.

        What counts is the least that is seen: the client may still run for a moment after it has sent a call.
        """
        self._least = min(self._least, self._running())
        if self._row % _CHECKED != _ROW:
            return
        if self._least < self._processors:
            self._rest = _REST_SECONDS[0]
        else:
            self._not_before = max(self._not_before, now + self._rest)
            self._rest = min(2 * self._rest, _REST_SECONDS[1])
        self._least = sys.maxsize


def _running() -> int:
    try:
        with open(_LOAD, "rb", buffering=0) as file:
            return int(file.read(64).split(b" ")[3].partition(b"/")[0])
    except (OSError, LookupError, ValueError):
        return sys.maxsize


def _processors() -> int:
    """How many processors this process may use, within the limit of its container."""
    found = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    try:
        quota, period = Path(_QUOTA).read_text().split()
        return min(found, int(quota) // int(period))
    except (OSError, ValueError):  # there is none
        return found
