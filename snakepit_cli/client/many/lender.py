"""Long arguments of many calls, in shared memory.

The server grants room there, perhaps after a while, and long arguments take time to write. A thread of its own waits
and writes, so that the thread that reads answers does neither.
"""

from __future__ import annotations

import json
import threading
import time
from math import inf
from typing import Any, Protocol

from snakepit_cli.client.argument_segments import ABOVE, WAIT_SECONDS, ArgumentSegments, Segment
from snakepit_cli.client.many.pending import Pending

Put = tuple[Segment, dict[str, Any]]
"""Where arguments are, and the reference to them."""
_AGAIN_SECONDS = 0.2
"""Pause before room is asked for again: nothing tells this client when others have given theirs back."""


class Owner(Protocol):
    """The object that sends the calls. The lender holds its lock when it calls a method."""

    lock: threading.Lock

    def ask(self, query: dict[str, Any]) -> int:
        """Sends a query and returns the number of the request."""

    def lent(self, request: int, put: Put | None) -> bool:
        """Sends a call, with its arguments as bytes when `put` is None. False when the call was given up."""


class Lender:
    """Puts arguments into segments. Only its own thread uses these."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._news = threading.Condition(owner.lock)
        self._segments = ArgumentSegments(self._reserve, self._give_back)
        self._new: list[tuple[int, Pending]] = []
        self._back: list[tuple[Segment, bool]] = []
        """Segments whose calls are over, and whether these succeeded."""
        self._asked = 0
        """Number of the query that has no answer yet; 0 when there is none."""
        self._facts: dict[str, Any] | None = {"bytes": 0, "kept": 0, "longest": 0, "most": 0, "folder": "", "name": ""}
        """The latest answer; None when there is no shared memory."""
        self._over = False
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------------------- its owner, with the lock

    def takes(self, size: int) -> bool:
        """Whether arguments of this length go to the lender. Others are sent as bytes at once."""
        return size >= ABOVE and self._facts is not None

    def give(self, request: int, call: Pending) -> None:
        """Queues a call. Its thread calls `Owner.lent` when the arguments are in place."""
        self._new.append((request, call))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="snakepit-arguments", daemon=True)
            self._thread.start()
        self._news.notify()

    def take_back(self, segment: Segment, *, well: bool) -> None:
        """The call is over. Unless it succeeded, a worker may still read the segment."""
        self._back.append((segment, well))
        self._news.notify()

    def answered(self, request: int, body: bytes | None) -> None:
        """The answer to a query, perhaps to ours; `body` is None for an error."""
        if request == self._asked:
            self._asked = 0
            self._facts = self._facts if body is None else json.loads(body)
            self._news.notify()

    def end(self) -> None:
        self._over = True
        self._news.notify()

    # ---------------------------------------------------------------------------------------------- its thread

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        waiting: list[tuple[int, Pending]] = []
        while not self._over:
            with self._owner.lock:
                self._news.wait_for(lambda: self._over or self._back or self._new, _AGAIN_SECONDS if waiting else None)
                waiting += self._new
                self._new = []
            self._tidy()
            left: list[tuple[int, Pending]] = []
            for request, call in waiting:
                # Calls behind one that waits for room must not take that room.
                if not self._lend(request, call, may_put=not (left or call.done or self._over)):
                    left.append((request, call))
            waiting = left
        self._tidy()
        self._segments.close()

    def _tidy(self) -> None:
        with self._owner.lock:
            back, self._back = self._back, []
        for segment, well in back:
            (self._segments.done if well else self._segments.drop)(segment)

    def _lend(self, request: int, call: Pending, *, may_put: bool) -> bool:
        """False when the call has to wait for room, because its arguments are too long for a message."""
        args = call.args
        put = self._segments.put([args], len(args), 0.0) if may_put else None
        with self._owner.lock:
            facts = self._facts
            in_time = call.deadline < inf or time.monotonic() < call.since + WAIT_SECONDS
            if put is None and facts and facts["longest"] < len(args) <= facts["most"] and in_time and not call.done:
                return self._over
            if not self._owner.lent(request, put) and put is not None:
                self._back.append((put[0], True))  # nobody has read it
        return True

    def _reserve(self, count: int, *, wait: float) -> dict[str, Any] | None:  # noqa: ARG002 — calls wait, not we
        with self._owner.lock:
            self._asked = self._owner.ask({"op": "segments", "bytes": count})
            self._news.wait_for(lambda: self._over or not self._asked)
            return self._facts

    def _give_back(self, count: int) -> None:
        with self._owner.lock:
            self._owner.ask({"op": "segments", "bytes": count})
