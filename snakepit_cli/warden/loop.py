"""One thread, one selector: descriptors, child deaths, signals and timers, each with a callback."""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable

_Callback = Callable[[], None]


class Loop:
    """Callbacks run one after the other and must not block."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, _Callback]] = []
        self._order = itertools.count()
        self._signals: dict[int, _Callback] = {}
        self._running = True
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self.watch(self._wake_read, self._woken)

    def watch(self, source: int | socket.socket, callback: _Callback) -> None:
        self._selector.register(source, selectors.EVENT_READ, callback)

    def watch_writes(self, source: socket.socket, callback: _Callback, *, writes: bool) -> None:
        """Changes whether a watched socket also wakes `callback` when it can be written again."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        self._selector.modify(source, events, callback)

    def forget(self, source: int | socket.socket) -> None:
        """Stops watching; harmless when it is not watched."""
        try:
            self._selector.unregister(source)
        except (KeyError, ValueError):
            pass

    def on_signal(self, number: int, callback: _Callback) -> None:
        """The handler only leaves its mark in the wake-up pipe: the callback runs between others, never inside one."""
        self._signals[number] = callback
        signal.signal(number, lambda *_: None)

    def at(self, when: float, callback: _Callback) -> None:
        """Calls back at a monotonic time."""
        heapq.heappush(self._timers, (when, next(self._order), callback))

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        while self._running:
            wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, _ in self._selector.select(wait):
                # An earlier callback of this round may have closed this one's descriptor.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()

    def _woken(self) -> None:
        try:
            numbers = set(os.read(self._wake_read, 4096))
        except BlockingIOError:
            return
        for number in numbers:
            if callback := self._signals.get(number):
                callback()
