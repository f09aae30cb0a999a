"""The answer to a request that streams: JSON values, one after the other."""

from __future__ import annotations

import asyncio
import queue
from asyncio import _get_running_loop
from collections import deque
from typing import Any, Callable

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.binary import is_message
from snakepit_bridge.errors import error_of
from snakepit_bridge.runtime.long_replies import Reply
from snakepit_bridge.runtime.nested_values import decode
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.requests import Requests

__all__ = ["Replies"]

ROOM = 1 << 20
"""Bytes of values that may be under way or unread."""


class Replies:
    """Iterates with `for` in a thread, with `async for` in an event loop. Ends with the request.

    Leaving the loop early gives the request up as soon as the object is gone; `close()`, or `with`, does so at once.
    """

    def __init__(self, requests: Requests, outbox: Outbox, request: pb.Request) -> None:
        self._requests = requests
        self._outbox = outbox
        self._inbox = _Inbox()
        self._ready: deque[bytes] = deque()
        """Values that have not been read."""
        self._read = 0
        """Bytes read since room was granted last."""
        self._end: pb.Result | None = None
        self.shape: Callable[[Any], Any] = _same
        """Makes of a JSON value what the reader gets."""
        request.stream, request.credit_bytes = True, ROOM
        self._number = requests.send(outbox, request, self._inbox)

    def close(self) -> None:
        """Gives the request up."""
        self._ready.clear()
        if self._end is None:
            self._end = pb.Result(value=b"null")
            self._requests.give_up(self._outbox, self._number)

    def __iter__(self) -> Replies:
        return self

    def __next__(self) -> Any:
        if _get_running_loop() is not None:
            raise RuntimeError("this would stop the event loop: use `async for`")
        while not self._ready and self._end is None:
            self._requests.hurry()
            self._take(self._inbox.came.get())
        return self._next(StopIteration)

    def __aiter__(self) -> Replies:
        return self

    async def __anext__(self) -> Any:
        while not self._ready and self._end is None:
            self._requests.hurry()
            self._take(await self._inbox.later())
        return self._next(StopAsyncIteration)

    def __enter__(self) -> Replies:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Replies:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_end", self) is None and hasattr(self, "_number"):
            self._requests.forget(self._outbox, self._number)

    def _take(self, came: pb.Chunks | pb.Result) -> None:
        if isinstance(came, pb.Result):
            self._end = came
        else:
            lines = came.lines
            self._ready.extend((lines[:-1],) if is_message(lines) else lines.split(b"\n")[:-1])

    def _next(self, stop: type[Exception]) -> Any:
        if self._ready:
            line = self._ready.popleft()
            self._grant(len(line) + 1)
            return self.shape(decode(line))
        end = self._end
        if end is not None and end.HasField("failure"):
            self._end = pb.Result(value=b"null")
            said = end.failure
            raise error_of(said.name or "command_failed", said.message, said.type, said.traceback)
        raise stop

    def _grant(self, size: int) -> None:
        """Room for more, when half of it has been used."""
        self._read += size
        if self._read >= ROOM // 2 and self._end is None:
            granted, self._read = self._read, 0
            self._requests.shield(lambda: self._outbox.put_credit(self._number, granted))


class _Inbox:
    """Filled by the reader thread. Has no reference to its Replies, so that an abandoned one is collected."""

    def __init__(self) -> None:
        self.changes = None
        self.came: queue.SimpleQueue[pb.Chunks | pb.Result] = queue.SimpleQueue()
        self._notify: Callable[[], None] | None = None

    def answered(self, result: Reply) -> None:
        if isinstance(result, pb.Result):  # as they all are: a stream takes no references
            self._put(result)

    def part(self, chunks: pb.Chunks) -> None:
        self._put(chunks)

    def _put(self, what: pb.Chunks | pb.Result) -> None:
        self.came.put(what)
        notify = self._notify
        if notify is not None:
            notify()

    async def later(self) -> pb.Chunks | pb.Result:
        """What came next, without blocking the loop."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def notify() -> None:
            try:
                loop.call_soon_threadsafe(arrived.set)
            except RuntimeError:  # the loop was closed meanwhile
                return

        # First where to ring, then a look: what comes in between is seen or rings.
        self._notify = notify
        try:
            while True:
                try:
                    return self.came.get_nowait()
                except queue.Empty:  # noqa: PERF203 - seldom a second time
                    await arrived.wait()
                    arrived.clear()
        finally:
            self._notify = None


def _same(value: Any) -> Any:
    return value
