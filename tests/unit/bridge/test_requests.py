"""Requests of handlers whose stream to the server ends."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snakepit_bridge import CallFailedError
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.runtime.asker import Asker
from snakepit_bridge.runtime.calls import CallTable
from snakepit_bridge.runtime.link import Link
from snakepit_bridge.runtime.outbox import Outbox

from tests.unit.bridge.peer import Peer

FIRST = pb.FromWorker(hello=pb.Hello(token="secret", worker="w1"))
PATIENCE = 20.0


class Worker:
    """A link to a server, and the requests of a call that came over its first stream."""

    def __init__(self, path: Path) -> None:
        self.peer = Peer(path)
        self.wake, self.waker = os.pipe()
        self.link = Link(self.peer.address, lambda: FIRST, CallTable(), None)  # type: ignore[arg-type]
        self.link.step(self.wake, 0)
        self.peer.accept()
        self.outbox = self.current()
        self.asker = Asker(self.link.requests, self.outbox, 7, None)

    def current(self) -> Outbox:
        assert self.link._stream is not None
        return self.link._stream.outbox

    def lose(self) -> None:
        """The server dies, and the reader notices."""
        if self.link.open:
            self.peer.close()
            while self.link.open:
                self.link.step(self.wake, PATIENCE)

    def lose_before_it_is_listed(self) -> None:
        def numbers() -> Iterator[int]:
            for number in itertools.count(1):
                self.lose()
                yield number

        self.link.requests._ids = numbers()  # type: ignore[assignment]

    def lose_as_it_is_put(self) -> None:
        self.outbox.wake = self.lose


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    one = Worker(tmp_path / "s.sock")
    yield one
    one.lose()
    os.close(one.wake)
    os.close(one.waker)


def asks(asker: Asker) -> Any:
    return asker.query({"op": "session"})


def asks_later(asker: Asker) -> Any:
    return asyncio.run(asker.query_later({"op": "session"}))


def streams(asker: Asker) -> Any:
    return list(asker.stream({"op": "watch"}))


def streams_later(asker: Asker) -> Any:
    async def read() -> Any:
        return [one async for one in asker.stream({"op": "watch"})]

    return asyncio.run(read())


def calls(asker: Asker) -> Any:
    return asker.wait("add", {}, pool="", session="", timeout=None)


def calls_later(asker: Asker) -> Any:
    return asyncio.run(asker.later("add", {}, pool="", session="", timeout=None))


def told(ask: Callable[[Asker], Any], asker: Asker) -> str:
    """The kind of error that a handler gets. It asks in a thread, so that one which waits for ever fails the test."""
    kinds: list[str] = []

    def run() -> None:
        try:
            ask(asker)
        except CallFailedError as error:
            kinds.append(error.kind)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert kinds, "it waits"
    return kinds[0]


@pytest.mark.parametrize("when", [Worker.lose, Worker.lose_before_it_is_listed, Worker.lose_as_it_is_put])
@pytest.mark.parametrize("ask", [asks, asks_later, streams, streams_later, calls, calls_later])
def test_a_request_on_a_stream_that_has_ended_fails_at_once(
    worker: Worker, ask: Callable[[Asker], Any], when: Callable[[Worker], None]
) -> None:
    when(worker)
    for _ in range(2):
        assert told(ask, worker.asker) == "server_restarted"
    assert not worker.link.requests._waiting


def test_threads_that_ask_while_the_stream_ends_are_all_answered(worker: Worker) -> None:
    """None is missed that adds its request while the others are told."""
    ended = threading.Event()
    counts: list[int] = []

    def run() -> None:
        last = False
        while not last:
            last = ended.is_set()
            assert told(asks, worker.asker) == "server_restarted"
        counts.append(1)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    worker.lose()
    ended.set()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert len(counts) == len(threads)
    assert not worker.link.requests._waiting
