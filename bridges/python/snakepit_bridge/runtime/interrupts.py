"""Interrupting a plain handler in the main thread when its caller gives up.

One mechanism: the reader marks the call as cancelled and sends the main thread a signal. The signal's Python handler
runs in the main thread between two bytecodes and raises CallCancelled there, if and only if the call that is armed at
that instant has been cancelled. This also breaks blocking system calls (`time.sleep`, a socket's `recv`): they return
EINTR, Python runs the handler, and the handler raises. `PyThreadState_SetAsyncExc` would interrupt bytecode only, and
what it set could arrive later than meant.

Why there is no race: arming, disarming and the handler all happen in the main thread, and the flag is set before the
signal is sent.
- Cancelled before arming: the handler finds nothing armed and returns. The runner arms first and looks at the flag
  then, so it sees it.
- Cancelled while armed: the handler disarms and raises; it can do so once per arming.
- Cancelled after disarming: nothing armed, or another call, which has not been cancelled. Nothing happens.
A signal can still be lost: when it arrives after the interpreter's last check and before the system call begins, its
Python handler runs only when that call returns, which for `time.sleep(60)` is a minute later. So the signal is sent
again, by a thread, until the call is no longer armed.

A run of items of a block is armed as a whole, and nobody looks at the flag between two of them. So the exception may
come while no handler runs, between two bytecodes of the loop over the items. That loop only takes an item, calls,
encodes and appends, and the block is over then: at worst an answer is dropped that would have been dropped a moment
later. A handler may swallow the exception, too, or fork, and its child return: that nothing is begun after it, the list
of items is emptied, on which the loop ends by itself.

The runner disarms in a `finally` inside of the `try` that catches CallCancelled: an exception that arrives between
the handler's return and the disarming is still caught, and after it none can arrive.

The signal is SIGURG: its default action is to be ignored, so it can do no harm when a library has put back the
default (SIGUSR2 would then kill the worker), and hardly any program uses it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from time import sleep
from types import FrameType
from typing import Any, Callable

from snakepit_bridge.context import CallCancelled
from snakepit_bridge.runtime.calls import Call

__all__ = ["Interrupts"]

SIGNAL = signal.SIGURG
AGAIN = 0.01
"""Seconds until the signal is sent a second time; each further time after twice as long."""
SELDOM = 1.0
"""Seconds between two signals at most."""
_Thread = threading.Thread  # an adapter may patch it


class Interrupts:
    """Which call may be interrupted right now."""

    __slots__ = ("_main", "_run", "armed")

    def __init__(self) -> None:
        """Must be made in the main thread."""
        self.armed: Call | None = None
        """Set by the runner immediately around the user's code."""
        self._main = threading.get_ident()
        self._run: list[Any] = []
        """What a loop goes over at present, or has gone over."""
        self.arm()

    def arm(self) -> None:
        """The signal comes here, in the main thread."""
        signal.signal(SIGNAL, self._on_signal)
        signal.siginterrupt(SIGNAL, True)

    def begin(self, call: Call, run: list[Any]) -> None:
        """A loop over these items comes next. Raises CallCancelled if it must not."""
        self._run = run
        self.armed = call
        if call.cancelled:
            raise CallCancelled

    def forked(self) -> None:
        """In a child of the handler that is armed: it must begin nothing more."""
        if self.armed is not None:
            self.armed.cancelled = True
            self._run.clear()

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        call = self.armed
        if call is not None and call.cancelled:
            self._give_up()

    def _give_up(self) -> None:
        self.armed = None
        self._run.clear()
        raise CallCancelled

    def shield(self, action: Callable[[], Any]) -> Any:
        """Runs what must not be interrupted halfway. A cancel that came meanwhile is raised after it."""
        if threading.get_ident() != self._main:
            return action()
        call, self.armed = self.armed, None
        try:
            return action()
        finally:
            self.armed = call
            if call is not None and call.cancelled:
                self._give_up()

    def poke(self) -> None:
        """Makes the main thread look, whatever it is doing. From any thread."""
        call = self.armed
        self._signal()
        if call is not None:
            with contextlib.suppress(RuntimeError):  # no more threads: then once has to do
                _Thread(target=self._insist, args=(call,), name="snakepit-interrupt", daemon=True).start()

    def _insist(self, call: Call) -> None:
        pause = AGAIN
        sleep(pause)
        while call.cancelled and self.armed is call:
            self._signal()
            pause = min(2 * pause, SELDOM)
            sleep(pause)

    def _signal(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pthread_kill(self._main, SIGNAL)
