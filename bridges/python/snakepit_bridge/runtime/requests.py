"""The requests of a worker's handlers that have no answer yet."""

from __future__ import annotations

import itertools
import sys
from typing import Any, Callable, Protocol

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.errors import CallFailedError
from snakepit_bridge.failures import failure
from snakepit_bridge.runtime.long_replies import Reply
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.variable_cache import Changes, VariableCache
from snakepit_bridge.tools import OfferedTools

__all__ = ["Inbox", "Requests"]


Put = Callable[[pb.Request], object]
"""Adds the arguments to a request."""


def nothing(*_: object) -> None:
    """What is called when there is nothing to do."""


class Inbox(Protocol):
    """Where the answer of a request goes. The methods are called by the reader."""

    @property
    def changes(self) -> Changes:
        """The variables that the request changes."""

    def answered(self, result: Reply) -> None:
        """Called once, with the reply."""

    def part(self, chunks: pb.Chunks) -> None:
        """Called with each part of an answer that streams."""


class Requests:
    """The open requests of one worker. From any thread."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, Inbox] = {}
        self.cache = VariableCache()
        """Values of variables that handlers have read."""
        self.tools = OfferedTools()
        """Functions that this worker offers."""
        self.hurry: Callable[[], None] = nothing
        """Has the stream read at once, because a handler waits for a reply. Set by the worker."""
        self.limit: Callable[[], int] = _unlimited
        """How many bytes the server takes in a request. Set by the worker."""
        self.shield: Callable[[Callable[[], Any]], Any] = _run
        """Runs a function that must not be interrupted halfway. Set by the worker."""

    def send(self, outbox: Outbox, request: pb.Request, inbox: Inbox, put: Put = nothing) -> int:
        """Sends the request; returns its number. `put` adds its arguments. When the stream has ended, the request fails
        at once.

        Raises CallFailedError for one that is too long: the server would end the stream.
        """
        request.id = number = next(self._ids)
        # A message that is interrupted halfway would break the stream; a segment would not come back.
        self.shield(lambda: self._send(outbox, request, inbox, put))
        return number

    def _send(self, outbox: Outbox, request: pb.Request, inbox: Inbox, put: Put) -> None:
        put(request)
        size, limit = len(request.args) + len(request.query), self.limit()
        if size > limit:
            raise CallFailedError("invalid_arguments", f"the request has {size:,} bytes; {limit:,} are allowed")
        # The transport sets `ended` before it calls `lost`. So `lost` finds what is added before this looks at `ended`.
        self._waiting[request.id] = inbox
        if not outbox.ended:
            outbox.put_request(request)
        else:
            self._lose(request.id)

    def give_up(self, outbox: Outbox, number: int) -> None:
        """Cancels the request. A change may be made all the same, so its reply is still looked at."""
        inbox = self._waiting.get(number)
        if inbox is None:
            return
        if inbox.changes is None:
            self._waiting.pop(number, None)
        self.shield(lambda: outbox.put_withdrawal(number))

    def forget(self, outbox: Outbox, number: int) -> None:
        """As `give_up`, for code that may run anywhere, even within the sending of something else: for `__del__`."""
        if self._waiting.pop(number, None) is not None:
            outbox.put_withdrawal(number, later=True)

    def replied(self, result: Reply) -> None:
        inbox = self._waiting.pop(result.id, None)
        if inbox is None:
            return
        if inbox.changes is not None:
            # The server tells all workers but the one that changes a value. What was read meanwhile may be the old one.
            self.cache.drop(*inbox.changes)
        inbox.answered(result)

    def part(self, chunks: pb.Chunks) -> None:
        inbox = self._waiting.get(chunks.id)
        if inbox is not None:
            inbox.part(chunks)

    def lost(self) -> None:
        """The stream has ended, and with it every request. No invalidation can arrive for what is kept."""
        self.cache.clear()
        for number in list(self._waiting):
            self._lose(number)

    def _lose(self, number: int) -> None:
        inbox = self._waiting.pop(number, None)
        if inbox is None:
            return
        reason = failure(pb.Failure.Kind.CANCELLED, "the server was lost before the answer came")
        reason.name = "server_restarted"
        inbox.answered(pb.Result(failure=reason))


def _unlimited() -> int:
    return sys.maxsize


def _run(action: Callable[[], Any]) -> Any:
    return action()
