"""The gateway of a server with nothing behind it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.workers import gateway
from snakepit_cli.server.workers.gateway import NotAdmittedError, WorkerLink
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.http2 import Status

T = TypeVar("T")
LIMIT = 24 << 20
SECONDS = 20.0


class Guest:
    """An attached worker as the pools would see it."""

    def __init__(self, hello: pb.Hello, link: WorkerLink) -> None:
        self.hello = hello
        self.link = link
        self.said: queue.SimpleQueue[pb.FromWorker] = queue.SimpleQueue()
        self.hung = 0

    def heard(self, message: pb.FromWorker) -> None:
        self.said.put(message)

    def hung_up(self) -> None:
        self.hung += 1

    def next(self) -> pb.FromWorker:
        return self.said.get(timeout=SECONDS)


class Gateway:
    """A real one, in a thread, with nothing behind it."""

    max_message_bytes = LIMIT
    coalescer: Coalescer

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.guests: queue.SimpleQueue[Guest] = queue.SimpleQueue()
        self.failures: queue.SimpleQueue[pb.StartFailure] = queue.SimpleQueue()
        self._connections: list[Any] = []
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(SECONDS)

    async def _open(self) -> None:
        self.coalescer = Coalescer()
        # What it opens is closed by `close`; the gateway of a server ends with its process.
        self._loop.create_unix_server = self._listen  # type: ignore[method-assign,assignment]
        await gateway.listen(self, self.socket)

    async def _listen(self, factory: Callable[[], Any], **options: Any) -> asyncio.Server:
        def made() -> Any:
            self._connections.append(factory())
            return self._connections[-1]

        self._server = await asyncio.SelectorEventLoop.create_unix_server(self._loop, made, **options)
        return self._server

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection._transport.abort()
        for _ in range(3):  # aborting takes a turn
            await asyncio.sleep(0)

    def do(self, action: Callable[[], T]) -> T:
        """In the thread of the loop, as everything there is done."""
        done: Future[T] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(action()))
        return done.result(SECONDS)

    def welcome(self, hello: pb.Hello, link: WorkerLink) -> Guest:
        if hello.token != "secret":
            raise NotAdmittedError(Status.UNAUTHENTICATED, "no worker of this name and token is expected: 100 % ä")
        link.welcome(pb.Welcome(max_message_bytes=self.max_message_bytes))
        guest = Guest(hello, link)
        self.guests.put(guest)
        return guest

    def start_failed(self, report: pb.StartFailure) -> None:
        self.failures.put(report)

    def next(self) -> Guest:
        return self.guests.get(timeout=SECONDS)


def call(number: int, args: bytes = b"{}", **more: Any) -> dict[str, Any]:
    return {"call_id": number, "command": "echo", "args": args, "session": "", "timeout": 1.5, "cwd": "/", **more}
