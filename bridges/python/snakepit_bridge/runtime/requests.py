"""Calls that handlers make: commands of this pool or of another one, run by the server like any other call."""

from __future__ import annotations

import asyncio
import itertools
import queue
from typing import Any, Callable

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.context import CallFailedError
from snakepit_bridge.failures import failure
from snakepit_bridge.runtime.forks import is_forked
from snakepit_bridge.runtime.outbox import Outbox

__all__ = ["Requests"]

Answered = Callable[[pb.Result], None]


class Requests:
    """Those of one worker that have no answer yet. From any thread."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, Answered] = {}

    def send(self, outbox: Outbox, request: pb.Request, answered: Answered) -> int:
        """`answered` is called once, by the reader."""
        request.id = number = next(self._ids)
        self._waiting[number] = answered
        outbox.put_request(request)
        return number

    def give_up(self, outbox: Outbox, number: int) -> None:
        """Cancels the request."""
        if self._waiting.pop(number, None) is not None:
            outbox.put_withdrawal(number)

    def replied(self, result: pb.Result) -> None:
        answered = self._waiting.pop(result.id, None)
        if answered is not None:
            answered(result)

    def lost(self) -> None:
        """The stream has ended, and with it every request."""
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            reason = failure(pb.Failure.Kind.CANCELLED, "the server was lost before the answer came")
            reason.name = "server_restarted"
            answered(pb.Result(failure=reason))


class Asker:
    """What `CallContext.call` does, for one call."""

    def __init__(self, requests: Requests, outbox: Outbox, parent: int) -> None:
        self._requests = requests
        self._outbox = outbox
        self._parent = parent

    def wait(self, command: str, args: dict[str, Any], **more: Any) -> Any:
        """Blocks. Raises CallFailedError."""
        came: queue.SimpleQueue[pb.Result] = queue.SimpleQueue()
        number = self._send(command, args, came.put, more)
        try:
            result = came.get()
        except BaseException:
            self._requests.give_up(self._outbox, number)
            raise
        return _value(result)

    async def later(self, command: str, args: dict[str, Any], **more: Any) -> Any:
        """Makes a nested call from an event loop."""
        loop = asyncio.get_running_loop()
        came: asyncio.Future[pb.Result] = loop.create_future()

        def answered(result: pb.Result) -> None:
            loop.call_soon_threadsafe(_deliver, came, result)

        number = self._send(command, args, answered, more)
        try:
            result = await came
        except BaseException:
            self._requests.give_up(self._outbox, number)
            raise
        return _value(result)

    def _send(self, command: str, args: dict[str, Any], answered: Answered, more: dict[str, Any]) -> int:
        if is_forked():
            raise CallFailedError("unavailable", "a process that a handler has forked cannot make calls")
        request = pb.Request(
            parent=self._parent, command=command, args=jsonio.dumps(args), pool=more["pool"], session=more["session"],
            timeout_seconds=more["timeout"] or 0.0,
        )  # fmt: skip
        return self._requests.send(self._outbox, request, answered)


def _deliver(came: asyncio.Future[pb.Result], result: pb.Result) -> None:
    if not came.done():
        came.set_result(result)


def _value(result: pb.Result) -> Any:
    if result.HasField("failure"):
        said = result.failure
        raise CallFailedError(said.name or "command_failed", said.message, said.type, said.traceback)
    return jsonio.loads(result.value)
