"""The gateway compared with grpcio."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from snakepit_cli.server.calls.credit import WINDOW
from snakepit_cli.wire import worker_pb2 as pb
from tests.harness import wait
from tests.puppets.plain_worker import PlainWorker
from tests.unit.wire.host import LIMIT, SECONDS, Gateway, Guest, call


@pytest.fixture
def worker(host: Gateway) -> Iterator[PlainWorker]:
    """It has said hello and was welcomed."""
    with PlainWorker(host.socket) as one:
        one.hello(language="python", capacity=3)
        assert one.hear().welcome == pb.Welcome(protocol=1, max_message_bytes=LIMIT)
        yield one


@pytest.fixture
def guest(host: Gateway, worker: PlainWorker) -> Guest:
    return host.next()


def test_hello_and_calls(host: Gateway, worker: PlainWorker, guest: Guest) -> None:
    assert (guest.hello.worker, guest.hello.language, guest.hello.capacity) == ("pool-1", "python", 3)
    host.do(lambda: guest.link.call(**call(7, b'{"a":1}', session="s", stream=True)))
    (heard,) = worker.hear().calls
    assert heard == pb.Call(
        id=7, command="echo", args=b'{"a":1}', session="s", timeout_seconds=1.5, stream=True, cwd="/",
        credit_bytes=WINDOW,
    )  # fmt: skip
    worker.say(chunks=[pb.Chunks(id=7, lines=b"1\n2\n", count=2)], results=[pb.Result(id=7, value=b"null")])
    said = guest.next()
    assert said.chunks[0].lines == b"1\n2\n"
    assert said.results[0].value == b"null"


def test_what_is_said_in_one_turn_leaves_in_one_message(host: Gateway, worker: PlainWorker, guest: Guest) -> None:
    def say() -> None:
        for number in range(1, 1001):
            guest.link.call(**call(number, stream=False))
        guest.link.cancel(3)
        guest.link.credit(4, 5)
        guest.link.ping(6)

    host.do(say)
    message = worker.hear()
    assert [one.id for one in message.calls] == list(range(1, 1001))
    assert (message.cancels[0].id, message.credits[0].bytes, message.ping.nonce) == (3, 5, 6)
    host.do(guest.link.drain)
    assert worker.hear().HasField("drain")


def test_large_messages_both_ways(host: Gateway, worker: PlainWorker, guest: Guest) -> None:
    large = bytes(range(256)) * (20 << 12)
    assert len(large) == 20 << 20
    for number in (1, 2):
        host.do(lambda number=number: guest.link.call(**call(number, large, stream=False)))  # type: ignore[misc]
        (heard,) = worker.hear().calls
        assert heard.args == large
        worker.say(results=[pb.Result(id=number, value=large)])
        assert guest.next().results[0].value == large


def test_many_messages_keep_their_order(host: Gateway, worker: PlainWorker, guest: Guest) -> None:
    for number in range(2000):
        worker.say(chunks=[pb.Chunks(id=1, lines=b"%d\n" % number, count=1)])
    assert [guest.next().chunks[0].lines for _ in range(2000)] == [b"%d\n" % number for number in range(2000)]
    for number in range(1, 501):
        host.do(lambda number=number: guest.link.call(**call(number, stream=False)))  # type: ignore[misc]
    heard: list[int] = []
    while len(heard) < 500:
        heard += [one.id for one in worker.hear().calls]
    assert heard == list(range(1, 501))


@pytest.mark.parametrize("how", ["finish", "cancel", "close"])
def test_a_worker_that_goes_is_noticed_once(host: Gateway, worker: PlainWorker, guest: Guest, how: str) -> None:
    if how == "finish":
        worker.finish()
        assert worker.status()[0] == grpc.StatusCode.OK
    elif how == "cancel":
        worker.stream.cancel()
    else:
        worker._channel.close()
    wait.until(lambda: guest.hung, "the gateway to notice")
    host.do(lambda: guest.link.call(**call(1, stream=False)))  # into the void
    assert host.do(lambda: guest.hung) == 1


def test_workers_do_not_disturb_each_other(host: Gateway, worker: PlainWorker, guest: Guest) -> None:
    with PlainWorker(host.socket) as other:
        other.hello(worker="pool-2")
        other.hear()
        second = host.next()
        host.do(lambda: second.link.call(**call(2, stream=False)))
        assert other.hear().calls[0].id == 2
    wait.until(lambda: second.hung, "the other to be gone")
    assert guest.hung == 0
    host.do(lambda: guest.link.call(**call(1, stream=False)))
    assert worker.hear().calls[0].id == 1


class TestRefusals:
    @pytest.fixture
    def stranger(self, host: Gateway) -> Iterator[PlainWorker]:
        with PlainWorker(host.socket) as one:
            yield one

    def test_a_wrong_token(self, stranger: PlainWorker) -> None:
        stranger.hello(token="wrong")
        text = "no worker of this name and token is expected: 100 % ä"
        assert stranger.status() == (grpc.StatusCode.UNAUTHENTICATED, text)

    @pytest.mark.parametrize("version", [0, 3])
    def test_no_common_version(self, stranger: PlainWorker, version: int) -> None:
        stranger.hello(protocol=version)
        code, text = stranger.status()
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert f"the worker {version} to {version}" in text

    @pytest.mark.parametrize("data", [b"\xff" * 20, b"\x0a\x7f", b"not protobuf"])
    def test_what_is_no_message(self, stranger: PlainWorker, data: bytes) -> None:
        stranger.say_bytes(data)
        assert stranger.status() == (grpc.StatusCode.INVALID_ARGUMENT, "not a FromWorker message")

    def test_what_is_no_greeting(self, stranger: PlainWorker) -> None:
        stranger.say(results=[pb.Result(id=1, value=b"1")])
        assert stranger.status()[0] == grpc.StatusCode.INVALID_ARGUMENT

    def test_an_empty_message(self, stranger: PlainWorker) -> None:
        stranger.say_bytes(b"")
        assert stranger.status()[0] == grpc.StatusCode.INVALID_ARGUMENT

    def test_another_method(self, host: Gateway) -> None:
        with PlainWorker(host.socket, "/snakepit.worker.v1.Gateway/Detach") as one:
            code, text = one.status()
        assert (code, text) == (grpc.StatusCode.UNIMPLEMENTED, "no method /snakepit.worker.v1.Gateway/Detach")

    def test_a_start_that_failed_is_thanked_for(self, host: Gateway, stranger: PlainWorker) -> None:
        failure = pb.Failure(kind=pb.Failure.Kind.ADAPTER_FAILED, message="no model")
        stranger.say(start_failure=pb.StartFailure(token="secret", worker="pool-1", failure=failure))
        assert stranger.status()[0] == grpc.StatusCode.OK
        assert host.failures.get(timeout=SECONDS).failure.message == "no model"

    def test_nonsense_after_the_greeting(self, worker: PlainWorker, guest: Guest) -> None:
        worker.say_bytes(b"\xff" * 20)
        assert worker.status()[0] == grpc.StatusCode.INVALID_ARGUMENT
        wait.until(lambda: guest.hung, "the pool to be told")
        assert guest.hung == 1

    def test_too_much_at_once(self, worker: PlainWorker, guest: Guest) -> None:
        worker.say(results=[pb.Result(id=1, value=b"x" * (LIMIT + (8 << 20)))])
        code, text = worker.status()
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "are allowed" in text
        wait.until(lambda: guest.hung, "the pool to be told")
