"""A call that has been submitted, and its answer to come."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Protocol

from snakepit_cli.base.errors import PitError


class Owner(Protocol):
    """Who settles it."""

    lock: threading.Lock

    def cancel(self, call: Pending) -> bool: ...


class Pending:
    """The answer of one call. For any number of threads."""

    __slots__ = (
        "_callbacks",
        "_error",
        "_owner",
        "_result",
        "_waiting",
        "args",
        "deadline",
        "done",
        "request",
        "since",
    )

    def __init__(self, owner: Owner, args: bytes, since: float, deadline: float) -> None:
        """`since`, `deadline`: instants on the monotonic clock."""
        self._owner = owner
        self.args = args
        self.since = since
        self.deadline = deadline
        self.request = 0
        """Of the frame in which it was sent; 0 when it waits for that."""
        self.done = False
        """It has its answer, or has been cancelled."""
        self._result = b""
        self._error: PitError | None = None
        self._waiting: list[threading.Lock] | None = None
        self._callbacks: list[Callable[[Pending], object]] | None = None

    def result(self, timeout: float | None = None) -> bytes:
        """The result as JSON, when it has come. Raises PitError of the call, TimeoutError after `timeout` s."""
        if not self.done:
            self._wait(timeout)
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._result

    def error(self, timeout: float | None = None) -> PitError | None:
        """What went wrong; None when it went well. Raises TimeoutError after `timeout` seconds."""
        if not self.done:
            self._wait(timeout)
        return self._error

    def cancel(self) -> bool:
        """Gives it up; it is answered with `cancelled`.

        False when that cannot be done: it has an answer, or was sent in a block together with others.
        """
        return self._owner.cancel(self)

    def add_done_callback(self, callback: Callable[[Pending], object]) -> None:
        """Calls it with this when there is an answer: at once, or in the thread that reads, which must not wait."""
        with self._owner.lock:
            if not self.done:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        _call(callback, self)

    def _wait(self, timeout: float | None) -> None:
        signal = threading.Lock()
        signal.acquire()
        with self._owner.lock:
            if self.done:
                return
            if self._waiting is None:
                self._waiting = []
            waiting = self._waiting
            waiting.append(signal)
        if signal.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            return
        with self._owner.lock:
            if not self.done:
                waiting.remove(signal)
                raise TimeoutError

    # ------------------------------------------------------------------------- its owner, with the lock

    def settle(self, result: bytes, error: PitError | None = None) -> bool:
        """Its answer; whether `call_back` is to be called without the lock."""
        self._result, self._error = result, error
        self.args = b""
        self.done = True
        if self._waiting is not None:
            for signal in self._waiting:
                signal.release()
        return self._callbacks is not None

    def call_back(self) -> None:
        for callback in self._callbacks or ():
            _call(callback, self)


def _call(callback: Callable[[Pending], object], call: Pending) -> None:
    try:
        callback(call)
    except Exception:  # noqa: BLE001 - it is the user's, and others wait for the thread
        traceback.print_exc()
