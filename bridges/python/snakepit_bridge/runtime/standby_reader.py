"""The thread that stands in for the main thread while a handler keeps that busy.

The main thread reads the stream itself while it has nothing else to do: handing each call over from a reading thread
would cost a wake-up, which on few processors is a fifth of a whole call. But a handler may take long, and cancels,
pings and credit must be heard meanwhile. So the standby reader looks every few milliseconds as long as anything
happens. When the main thread is still in the same call as at the last look, it takes over reading until that call is
over. It also sends what was put aside for *later*, so that many answers and chunks leave together.

No call pays for this: while calls keep coming the standby reader is awake anyway, and it is woken once when they begin.
"""

from __future__ import annotations

import contextlib
import os
import threading

from snakepit_bridge.runtime.link import Link

__all__ = ["MOMENT", "StandbyReader"]

_Thread = threading.Thread  # an adapter may patch it
MOMENT = 0.001
"""Seconds between two looks while there is something to send."""
LATE = 0.02
"""Seconds between two looks while there are answers that wait for others."""
LOOK = 0.004
"""Seconds between two looks while there are only calls."""


class StandbyReader:
    """`enter`, `leave` and `read` belong to the main thread, `later` and `ring` to any."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls = 0
        """How many calls the main thread has begun: tells one call from the next without holding on to it."""
        self._busy = False
        """The main thread is in a call."""
        self._asleep = False
        """Sees nothing before it is rung for. Written by both sides: see `_nothing_to_do`."""
        self._wanted = 0
        """The call whose handler waits for a reply."""
        self._reading = threading.Lock()
        """Held by the thread that reads the stream."""
        self._bell, self._rope = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._rope, False)

    def start(self) -> None:
        _Thread(target=self._run, name="snakepit-standby", daemon=True).start()

    # ------------------------------------------------------------------------------------ main thread

    def enter(self) -> None:
        """A call begins."""
        self._calls += 1
        self._busy = True
        if self._asleep:
            self.ring()

    def leave(self) -> None:
        """The call is over."""
        self._busy = False

    def read(self, wake: int, patience: float | None = None) -> None:
        """One step of the link. None when the standby reader had to be stopped first: it may just have read a call."""
        if not self._reading.acquire(False):
            self.ring()
            with self._reading:
                return
        try:
            self._link.step(wake, patience)
        finally:
            self._reading.release()

    # ------------------------------------------------------------------------------------- any thread

    def later(self) -> None:
        """Sends what the outbox holds within a few milliseconds."""
        if self._asleep:
            self.ring()

    def ring(self) -> None:
        self._asleep = False
        with contextlib.suppress(BlockingIOError):
            os.write(self._rope, b"\0")

    def hurry(self) -> None:
        """Takes over reading at once: the handler of this call waits for a reply."""
        if self._busy and self._wanted != self._calls:
            self._wanted = self._calls
            self.ring()

    # ------------------------------------------------------------------------------------- its thread

    def _run(self) -> None:
        seen = -1
        while True:
            calls = self._calls
            if self._busy and calls in (seen, self._wanted) and self._reading.acquire(False):
                try:
                    self._read_while_in(calls)
                finally:
                    self._reading.release()
            if self._link.flush():
                seen = calls
                self._link.await_word(self._bell, MOMENT)
            elif self._busy or calls != seen:
                seen = calls
                self._link.await_word(self._bell, LOOK)
            elif self._nothing_to_do():
                self._link.await_word(self._bell)
                self._asleep = False

    def _read_while_in(self, calls: int) -> None:
        while self._busy and self._calls == calls:
            idle = not self._link.flush()
            # From here on a thread that has something to send rings the bell; the second look sees what came before.
            self._asleep = idle
            if idle and self._link.pending():
                self._asleep = idle = False
            self._link.step(self._bell, (LATE if self._link.keeps_back else None) if idle else MOMENT)
        self._asleep = False

    def _nothing_to_do(self) -> bool:
        """Announces sleep, then looks again: work that began before the announcement did not ring."""
        self._asleep = True
        if self._busy or self._link.pending():
            self._asleep = False
        return self._asleep
