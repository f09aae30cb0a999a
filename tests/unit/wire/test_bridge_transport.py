"""The Python bridge's own transport against the server's: neither is gRPC's, both are ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from snakepit_bridge.runtime import http2
from snakepit_bridge.runtime.http2 import GatewayStream
from snakepit_bridge.runtime.link import METHOD
from snakepit_bridge.runtime.outbox import Outbox

from snakepit_cli.server.workers import gateway
from snakepit_cli.wire import worker_pb2 as pb
from tests.harness import wait
from tests.unit.wire.host import LIMIT, SECONDS, Gateway, Guest, call

LARGE = bytes(range(256)) * (20 << 12)
"""20 MiB: more than one frame can hold."""


class Asked:
    """As much of a call as the outbox needs."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.lines: list[bytes] = []


class BridgeWorker:
    """A stream and an outbox, and a thread that reads."""

    def __init__(self, host: Gateway, first: pb.FromWorker, path: str = METHOD) -> None:
        self.outbox = Outbox(first, lambda: None)  # type: ignore[arg-type]
        self.stream = GatewayStream(f"unix:{host.socket}", path, self.outbox)
        self.heard: list[pb.ToWorker] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while (messages := self.stream.receive()) is not None:
            self.heard += [pb.ToWorker.FromString(data) for data in messages]
        self.stream.close()

    def calls(self) -> list[pb.Call]:
        return [one for said in list(self.heard) for one in said.calls]

    def answer(self, asked: Asked, value: bytes) -> None:
        self.outbox.put_result(pb.Result(id=asked.id, value=value), asked)  # type: ignore[arg-type]

    def status(self) -> tuple[int, str]:
        """How the stream ended; waits for it."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        return self.stream.status

    def close(self) -> None:
        self.outbox.close()
        self.status()


def hello(token: str = "secret", **more: object) -> pb.FromWorker:
    fields = {"token": token, "worker": "pool-1", "protocol_min": 1, "protocol_max": 1, **more}
    return pb.FromWorker(hello=pb.Hello(**fields))


@pytest.fixture
def worker(host: Gateway) -> Iterator[BridgeWorker]:
    one = BridgeWorker(host, hello())
    wait.until(lambda: one.heard, "a welcome")
    assert one.heard[0].welcome == pb.Welcome(protocol=1, max_message_bytes=LIMIT)
    yield one
    one.close()


@pytest.fixture
def guest(host: Gateway, worker: BridgeWorker) -> Guest:
    return host.next()


def test_large_messages_both_ways(host: Gateway, worker: BridgeWorker, guest: Guest) -> None:
    for number in (1, 2, 3):
        host.do(lambda number=number: guest.link.call(**call(number, LARGE, stream=False)))  # type: ignore[misc]
        wait.until(lambda number=number: len(worker.calls()) == number, "the call")  # type: ignore[misc]
        assert worker.calls()[-1].args == LARGE
        worker.answer(Asked(number), LARGE)
        assert guest.next().results[0].value == LARGE


def test_a_first_message_larger_than_the_room_before_the_settings(host: Gateway) -> None:
    sessions = ["s" * 1000 + str(number) for number in range(1000)]
    one = BridgeWorker(host, hello(sessions=sessions))
    assert list(host.next().hello.sessions) == sessions
    one.close()
    assert one.status()[0] == http2.OK


def test_many_answers_keep_their_order_and_chunks_come_first(host: Gateway, worker: BridgeWorker, guest: Guest) -> None:
    lines: dict[int, bytes] = {}
    results: list[int] = []
    for number in range(1, 501):
        asked = Asked(number)
        worker.outbox.open_stream(asked)
        asked.lines += [b"%d" % number, b"x" * 997]
        worker.answer(asked, b"null")
    while len(results) < 500:
        said = guest.next()
        for part in said.chunks:
            assert part.id not in results
            lines[part.id] = lines.get(part.id, b"") + part.lines
        results += [one.id for one in said.results]
    assert results == list(range(1, 501))
    assert lines == {number: b"%d\n" % number + b"x" * 997 + b"\n" for number in results}


def test_many_calls_cancels_and_pings(host: Gateway, worker: BridgeWorker, guest: Guest) -> None:
    for number in range(1, 501):
        host.do(lambda number=number: guest.link.call(**call(number, stream=False)))  # type: ignore[misc]
        host.do(lambda number=number: guest.link.cancel(number))  # type: ignore[misc]
    host.do(lambda: guest.link.ping(9))
    wait.until(lambda: worker.heard[-1].ping.nonce == 9, "the ping")
    assert [one.id for one in worker.calls()] == list(range(1, 501))
    assert [one.id for said in worker.heard for one in said.cancels] == list(range(1, 501))


def test_the_worker_ends_its_half(worker: BridgeWorker, guest: Guest) -> None:
    worker.answer(Asked(1), LARGE)
    worker.outbox.close()
    assert guest.next().results[0].value == LARGE
    assert worker.status() == (http2.OK, "")
    wait.until(lambda: guest.hung, "the pool to be told")
    assert guest.hung == 1


def test_the_server_goes(host: Gateway, worker: BridgeWorker, guest: Guest) -> None:
    host.do(lambda: [one._transport.abort() for one in host._connections])
    assert worker.status()[0] == http2.UNAVAILABLE
    wait.until(lambda: guest.hung, "the pool to be told")


def test_refusals_come_with_their_reason(host: Gateway) -> None:
    text = "no worker of this name and token is expected: 100 % ä"
    assert BridgeWorker(host, hello("wrong")).status() == (http2.UNAUTHENTICATED, text)
    code, text = BridgeWorker(host, hello(protocol_min=3, protocol_max=4)).status()
    assert (code, text) == (http2.FAILED_PRECONDITION, "the server speaks protocol 1 to 2, the worker 3 to 4")


def test_another_method(host: Gateway) -> None:
    assert BridgeWorker(host, hello(), "/other.Service/Method").status() == (12, "no method /other.Service/Method")
    assert gateway.PATH == METHOD


def test_a_start_that_failed_is_thanked_for(host: Gateway) -> None:
    failure = pb.Failure(kind=pb.Failure.Kind.ADAPTER_FAILED, message="no model")
    one = BridgeWorker(host, pb.FromWorker(start_failure=pb.StartFailure(token="secret", failure=failure)))
    assert one.status() == (http2.OK, "")
    assert host.failures.get(timeout=SECONDS).failure.message == "no model"
