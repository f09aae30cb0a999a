"""The warden's event loop: one thread, one selector; descriptors, child deaths, signals and timers with callbacks.

The warden is the parent of everything, so no callback may end it. An exception is logged, and the rest goes on. A
source whose callback raises is no longer watched, because it would raise again at once; `failed` then decides what that
means for the process behind it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

_Callback = Callable[[], None]
Source = int | socket.socket


class _Watch(NamedTuple):
    callback: _Callback
    failed: _Callback | None


class Loop:
    """Callbacks run one after the other and must not block. `note` takes the traceback of one that raises."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
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

    def watch(self, source: Source, callback: _Callback, failed: _Callback | None = None) -> None:
        """`failed` is called after `callback` has raised and the source was forgotten."""
        self._selector.register(source, selectors.EVENT_READ, _Watch(callback, failed))

    def watch_writes(self, source: socket.socket, *, writes: bool) -> None:
        """Changes whether a watched socket also wakes its callback when it can be written again."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        self._selector.modify(source, events, self._selector.get_key(source).data)

    def forget(self, source: Source) -> None:
        """Stops watching; harmless when it is not watched."""
        try:
            self._selector.unregister(source)
        except (KeyError, ValueError):
            pass

    def on_signal(self, number: int, callback: _Callback) -> None:
        """The signal handler only writes to the wake-up pipe: the callback runs between other callbacks."""
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
                    self._ready(key.fd, key.data)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._guarded(heapq.heappop(self._timers)[2])

    def close(self) -> None:
        """For tests: a process has one loop for its life."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _ready(self, source: Source, watch: _Watch) -> None:
        if self._guarded(watch.callback):
            return
        self.forget(source)
        if watch.failed is not None:
            self._guarded(watch.failed)

    def _guarded(self, callback: _Callback) -> bool:
        """Whether it came back."""
        try:
            callback()
        except Exception:  # noqa: BLE001 - the warden outlives every mistake of a single callback
            self._note(traceback.format_exc())
            return False
        return True

    def _woken(self) -> None:
        try:
            numbers = set(os.read(self._wake_read, 4096))
        except BlockingIOError:
            return
        for number in numbers:
            if callback := self._signals.get(number):
                self._guarded(callback)
