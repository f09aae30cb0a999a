"""Many calls on one connection: which leave together, and what each is answered with when things go wrong."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.many import calls as many
from snakepit_cli.client.many import groups
from snakepit_cli.client.many.calls import Calls
from snakepit_cli.client.many.groups import Pace
from snakepit_cli.client.many.pending import Pending
from snakepit_cli.wire import front
from tests.unit.client.fake import Peer, error


class Server(Peer):
    """The other end, which the test plays."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.settimeout(20)
        self.room: Callable[[int], Any] = lambda _: None
        """What a query for so many bytes of shared memory is answered with."""

    def call(self) -> tuple[int, dict[str, Any], list[bytes]]:
        """The next call: number, header, arguments of each item. Queries before it are answered."""
        frame = self.read()
        while frame is not None and frame[0] == front.QUERY:
            self.send(front.RESULT, frame[1], self.room(json.loads(frame[2])["bytes"]))
            frame = self.read()
        assert frame is not None
        kind, request, body = frame
        assert kind == front.CALL
        line, _, args = body.partition(b"\n")
        header = json.loads(line)
        return request, header, args.split(b"\n")[1:-1] if "items" in header else [args]

    def asked(self) -> int:
        """The bytes that the next frame asks for."""
        frame = self.read()
        assert frame is not None
        assert frame[0] == front.QUERY
        count: int = json.loads(frame[2])["bytes"]
        self.send(front.RESULT, frame[1], self.room(count))
        return count

    def cancelled(self) -> int:
        frame = self.read()
        assert frame is not None
        assert frame[0] == front.CANCEL
        return frame[1]

    def answers(self, request: int, *lines: bytes, failed: tuple[int, ...] = ()) -> None:
        self.send(front.ANSWERS, request, front.answers_body(b"".join(one + b"\n" for one in lines), failed))


@pytest.fixture
def ends() -> Iterator[tuple[Calls, Server]]:
    ours, theirs = socket.socketpair()
    with theirs, Calls(ours) as one:
        yield one, Server(theirs)


def kind(call: Pending) -> str:
    found = call.error(20)
    assert found is not None
    return found.kind


def begin(one: Calls, server: Server, count: int, **header: Any) -> tuple[Pending, int, list[Pending]]:
    """A call that is out, its number, and calls of a command that is known to be quick, which wait for it."""
    first = one.submit("echo", b'{"n":-1}', **header)
    request, seen, _ = server.call()
    assert "items" not in seen
    group = list(one._groups.values())[-1]
    group.pace.items = 128
    return first, request, [one.submit("echo", b'{"n":%d}' % n, **header) for n in range(count)]


def block(one: Calls, server: Server, count: int, **header: Any) -> tuple[int, list[Pending], dict[str, Any]]:
    """Calls that are out as one block."""
    first, request, calls = begin(one, server, count, **header)
    server.send(front.RESULT, request, b"0")
    assert first.result(20) == b"0"
    request, seen, items = server.call()
    assert [json.loads(item)["n"] for item in items] == list(range(count))
    return request, calls, seen


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call leaves because it has waited."""
    monkeypatch.setattr(groups, "PATIENCE", 1000.0)


def test_a_call_leaves_at_once_and_alone_when_none_is_out(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    call = one.submit("echo", b'{"a":1}', pool="p", session="s", timeout=5)
    request, header, args = server.call()
    assert (header["command"], header["pool"], header["session"], header["timeout"]) == ("echo", "p", "s", 5)
    assert (args, call.done) == ([b'{"a":1}'], False)
    server.send(front.RESULT, request, b"17")
    assert call.result() == b"17"
    assert call.error() is None


def test_those_that_wait_leave_as_one_block_and_each_has_its_own_answer(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    request, calls, header = block(one, server, 3)
    assert (header["items"], header["careful"], header["calls"], header["stream"]) == (3, True, True, True)
    server.answers(request, b"1", b'{"kind":"command_failed","message":"no","type":"KeyError"}', failed=(1,))
    assert calls[0].result(20) == b"1"
    failed = calls[1].error(20)
    assert failed is not None
    assert (failed.kind, failed.message, failed.detail["type"]) == ("command_failed", "no", "KeyError")
    with pytest.raises(PitError, match="no"):
        calls[1].result()
    assert not calls[2].done
    server.answers(request, b"3")
    server.send(front.RESULT, request, b"0.000003")
    assert calls[2].result(20) == b"3"


def test_a_call_of_a_slow_command_never_waits_for_another(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    calls = [one.submit("echo") for _ in range(20)]
    frames = [server.call() for _ in calls]
    assert {header.get("items", 1) for _, header, _ in frames} == {1}
    tries = [request for request, header, _ in frames if "items" in header]
    assert len(tries) == 1, "one shows how quick the command is"
    server.answers(tries[0], b"1")
    server.send(front.RESULT, tries[0], b"0.5")
    one.submit("echo")
    assert "items" not in server.call()[1]


def test_a_call_that_has_waited_leaves(ends: tuple[Calls, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "PATIENCE", 0.01)
    one, server = ends
    _, _, calls = begin(one, server, 1)
    request, _, _ = server.call()
    server.send(front.RESULT, request, b"1")
    assert calls[0].result(20) == b"1"


def test_when_the_worker_dies_only_the_call_that_it_ran_fails(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    request, calls, _ = block(one, server, 4)
    server.answers(request, b"0")
    server.send(front.ERROR, request, error("worker_crashed", "gone", worker="p-1"))
    assert calls[0].result(20) == b"0"
    assert kind(calls[1]) == "worker_crashed"
    for n in (2, 3):
        request, header, args = server.call()
        assert ("items" in header, args) == (False, [b'{"n":%d}' % n])
        server.send(front.RESULT, request, b"%d" % n)
        assert calls[n].result(20) == b"%d" % n


@pytest.mark.parametrize("why", ["worker_timeout", "worker_unresponsive", "internal"])
def test_calls_that_may_have_begun_are_not_run_again(ends: tuple[Calls, Server], why: str) -> None:
    one, server = ends
    request, calls, _ = block(one, server, 3)
    server.answers(request, b"0")
    server.send(front.ERROR, request, error(why, "late"))
    assert [kind(call) for call in calls[1:]] == [why, why]
    one.submit("other")
    assert server.call()[1]["command"] == "other", "nothing was sent before it"


def test_a_block_that_ends_without_all_answers(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    request, calls, _ = block(one, server, 2)
    server.answers(request, b"0")
    server.send(front.RESULT, request, b"0.1")
    assert kind(calls[1]) == "internal"


def test_a_call_that_waits_here_keeps_its_deadline(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    first, _, calls = begin(one, server, 2, timeout=0.05)
    assert [kind(call) for call in calls] == ["queue_timeout"] * 2
    assert not first.done, "its deadline is the server's"


def test_a_call_in_a_block_keeps_its_deadline(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    request, calls, header = block(one, server, 2, timeout=0.5)
    assert 0 < header["timeout"] <= 0.5
    server.answers(request, b"0")
    assert calls[0].result(20) == b"0"
    assert kind(calls[1]) == "worker_timeout"
    assert server.cancelled() == request
    server.answers(request, b"1")  # too late
    assert calls[1].error() is not None


def test_calls_that_differ_share_no_block(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    begin(one, server, 1)
    for args, header in [
        (b"{}", {"timeout": 9.0}), (b"{}", {"metadata": {"a": "b"}}), (b"{}", {"nan": "null"}),
        (b"{\n}", {}), (b"5", {}), (b"\0", {}), (b"{}", {"idempotent": True}), (b"{}", {"binary": True}),
        (b"{}", {"session": "s", "affinity": "strict_queue"}),
    ]:  # fmt: skip
        one.submit("echo", args, **header)  # type: ignore[arg-type]
        _, seen, came = server.call()
        assert ("items" in seen, came) == (False, [args])


def test_what_must_come_alone_goes_alone(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    request, calls, _ = block(one, server, 2)
    server.send(front.ERROR, request, error("invalid_arguments", "one at a time", alone=True))
    for n, call in enumerate(calls):
        request, header, args = server.call()
        assert ("items" in header, args) == (False, [b'{"n":%d}' % n])
        server.send(front.RESULT, request, b"1")
        assert call.result(20) == b"1"


def test_cancel(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    first, request, calls = begin(one, server, 3)
    assert calls[1].cancel()
    assert kind(calls[1]) == "cancelled"
    assert not calls[1].cancel(), "it is over"
    assert first.cancel()
    assert kind(first) == "cancelled"
    assert server.cancelled() == request
    _, _, items = server.call()
    assert items == [b'{"n":0}', b'{"n":2}']
    assert not calls[0].cancel(), "others are with it"


def test_limits(ends: tuple[Calls, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    one, server = ends
    monkeypatch.setattr(many, "MOST_CALLS", 2)
    first, _ = one.submit("echo"), one.submit("echo")
    with pytest.raises(PitError, match="2 calls have no answer"):
        one.submit("echo")
    server.send(front.RESULT, server.call()[0], b"1")
    first.result(20)
    monkeypatch.setattr(many, "MOST_BYTES", 3)
    with pytest.raises(PitError, match="2 bytes of arguments") as raised:
        one.submit("echo")
    assert raised.value.kind == "pool_saturated"


def test_a_stream_is_refused(ends: tuple[Calls, Server]) -> None:
    with pytest.raises(PitError, match="no stream"):
        ends[0].submit("echo", stream=True)
    with pytest.raises(TypeError):
        ends[0].submit("echo", colour="red")


def test_groups_that_are_over_are_forgotten(ends: tuple[Calls, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_MOST_GROUPS", 3)
    one, server = ends
    for n in range(10):
        call = one.submit("echo", session=f"s{n}")
        server.send(front.RESULT, server.call()[0], b"1")
        call.result(20)
    assert len(one._groups) <= 3


def test_the_connection_is_lost(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    first, _, calls = begin(one, server, 2)
    server.sock.shutdown(socket.SHUT_RDWR)
    assert [kind(call) for call in (first, *calls)] == ["server_restarted"] * 3
    with pytest.raises(PitError, match="lost"):
        one.submit("echo")


def test_close_gives_up_what_has_no_answer(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    first, _, calls = begin(one, server, 1)
    one.close()
    assert [kind(first), kind(calls[0])] == ["cancelled"] * 2
    assert server.read() is None


def test_callbacks(ends: tuple[Calls, Server], capsys: pytest.CaptureFixture[str]) -> None:
    one, server = ends
    call, came = one.submit("echo"), threading.Event()
    call.add_done_callback(lambda _: 1 // 0)
    call.add_done_callback(lambda done: one.submit("next", done.result()) and came.set())
    server.send(front.RESULT, server.call()[0], b"{}")
    assert server.call()[1]["command"] == "next"
    assert came.wait(20)
    assert "ZeroDivisionError" in capsys.readouterr().err
    late: list[Pending] = []
    call.add_done_callback(late.append)
    assert late == [call]


def test_patience_of_a_reader(ends: tuple[Calls, Server]) -> None:
    call = ends[0].submit("echo")
    with pytest.raises(TimeoutError):
        call.result(0.01)
    ends[1].send(front.RESULT, ends[1].call()[0], b"1")
    assert call.result(20) == b"1"


def test_more_than_the_socket_takes(ends: tuple[Calls, Server]) -> None:
    one, server = ends
    args = json.dumps({"a": "x" * 500_000}).encode()
    calls = [one.submit("echo", args) for _ in range(20)]
    for call in calls:
        request, _, came = server.call()
        assert came == [args]
        server.send(front.RESULT, request, came[0])
        assert call.result(20) == args


def test_pace() -> None:
    pace = Pace()
    assert pace.tries()
    pace.learn(1, 1e-6)
    assert pace.items == 8
    for _ in range(5):
        pace.learn(100, 1e-4)
    assert pace.items == groups.MOST_TOGETHER
    pace.learn(100, 100 * 5e-5)
    assert pace.items == 40
    pace.learn(10, 1.0)
    assert pace.items == 1
    assert [pace.tries() for _ in range(100)].count(True) == 1
