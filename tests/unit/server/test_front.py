"""The server's side of the front protocol, on a transport that only remembers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.server.doors.front import HEADROOM
from snakepit_cli.wire import front as wire
from snakepit_cli.wire import ops
from tests.unit.server.fake import LIMIT, Client, call, cancel, query, run, turns


def test_frames_may_be_cut_anywhere() -> None:
    stream = call(1, b'{"a":1}') + query(2) + call(3, b'{"b":[2]}', pool="other", stream=True) + cancel(1)

    async def cut(*places: int) -> None:
        with Client() as client:
            at = 0
            for place in (*places, len(stream)):
                client.say(stream[at:place])
                at = place
            await turns()
            seen = [(one.request, one.args, one.header.pool, one.header.stream) for one in client.host.calls]
            assert seen == [(1, b'{"a":1}', "default", False), (3, b'{"b":[2]}', "other", True)]
            assert client.host.cancelled == [1]
            assert client.heard == [("R", 2, b'{"op":"ping"}')]

    for place in range(len(stream)):
        run(lambda place=place: cut(place))  # type: ignore[misc]
    run(lambda: cut(*range(len(stream))))


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
def test_a_frame_that_is_too_long_is_skipped(piece: int) -> None:
    with Client() as client:
        stream = call(1, b"x" * (LIMIT + HEADROOM)) + call(2)
        for at in range(0, len(stream), piece):
            client.say(stream[at : at + piece])
        assert client.heard == [("E", 1, "invalid_arguments")]
        assert [one.request for one in client.host.calls] == [2]
        assert len(client.connection._buffer) == 0


def test_the_longest_arguments_are_taken_and_no_longer_ones() -> None:
    """The room of a frame for its header is not for arguments."""
    with Client() as client:
        client.say(call(1, b"x" * LIMIT), call(2, b"x" * (LIMIT + 1)))
        assert client.heard == [("E", 2, "invalid_arguments")]
        assert [len(one.args) for one in client.host.calls] == [LIMIT]


def test_the_longest_frame_is_taken() -> None:
    with Client() as client:
        client.say(*(wire.frame(wire.CANCEL, more, b"x" * (LIMIT + HEADROOM + more)) for more in (0, 1)))
        assert client.heard == [("E", 1, "invalid_arguments")]


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"\0" * 9, b"C\0\0\0\3" + b"\0" * 4, b"R\0\0\0\4\0\0\0\1", b"\xff" * 100]
)
def test_what_is_no_frame_ends_the_connection(data: bytes) -> None:
    with Client() as client:
        client.say(data)
        assert client.transport.aborted
        assert client.host.calls == []


@given(st.binary(max_size=200), st.integers(1, 50))
def test_nothing_raises(data: bytes, piece: int) -> None:
    async def feed() -> None:
        with Client() as client:
            for at in range(0, len(data), piece):
                if not client.transport.aborted:
                    client.say(data[at : at + piece])
            await turns()

    run(feed)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"\n{}", b"nonsense\n{}", b"[]\n{}", b'{"version":1,"command":"a","cwd":"/"}\n{}',
     b'{"version":"1","command":null,"cwd":"/"}\n{}', b'{"version":"1","command":"a"}\n{}', b"\xff\xff\n{}",
     b'{"version":"1","command":"a","cwd":"/","timeout":"soon"}\n{}',
     b'{"version":"%s","command":"\\ud800","cwd":"/"}\n{}' % __version__.encode(),
     b'{"version":"1","command":"a","cwd":"/","session":5}\n{}',
     b'{"version":"1","command":"%s","cwd":"/"}\n{}' % (b"a" * 256),
     b'{"version":"\xff","command":"a","cwd":"/"}\n{}', b'{"x":' + b"[" * 5000 + b"\n{}"],
)  # fmt: skip
def test_a_malformed_call_is_refused_and_the_connection_goes_on(body: bytes) -> None:
    with Client() as client:
        client.say(wire.frame(wire.CALL, 1, body), call(2))
        assert client.heard == [("E", 1, "usage")]
        assert [one.request for one in client.host.calls] == [2]


def test_unknown_header_fields_are_for_later_versions() -> None:
    with Client() as client:
        body = json.dumps({"version": __version__, "command": "a", "cwd": "/", "colour": "blue"}).encode() + b"\n{}"
        client.say(wire.frame(wire.CALL, 1, body))
        assert client.host.calls[0].header.command == "a"


@pytest.mark.parametrize("busy", [True, False])
def test_another_version_is_told_whether_the_server_is_busy(busy: bool) -> None:
    async def test() -> None:
        with Client() as client:
            client.host.has_work = busy
            client.say(call(1, version="0.0"), query(2))
            await turns()
            assert client.host.calls == []
            (_, _, kind), answer = client.heard
            assert kind == "version_skew"
            assert json.loads(client.transport.written[9:].split(b"}")[0] + b"}")["busy"] is busy
            assert answer == ("R", 2, b'{"op":"ping"}'), "queries are answered whatever the version"

    run(test)


def test_a_refused_call_is_over() -> None:
    with Client() as client:
        client.host.refuse = PitError("pool_not_found", "no")
        client.say(call(1), cancel(1))
        assert client.heard == [("E", 1, "pool_not_found")]
        assert client.host.cancelled == []


def test_answers_and_late_cancels() -> None:
    with Client() as client:
        client.say(call(1, stream=True))
        (one,) = client.host.calls
        client.connection.chunks(1, b"1\n2\n")
        client.host.settle(one, b"null")
        client.say(cancel(1), cancel(99))
        assert client.heard == [("K", 1, b"1\n2\n"), ("R", 1, b"null")]
        assert client.host.cancelled == []


def test_a_call_that_is_settled_at_once_leaves_nothing_behind() -> None:
    with Client() as client:
        client.host.settle_at_once = True
        client.say(call(1), call(1), cancel(1))
        assert client.heard == [("R", 1, b"1"), ("R", 1, b"1")]
        client.connection.connection_lost(None)
        assert client.host.cancelled == []


def test_an_id_may_be_used_again_after_the_end() -> None:
    with Client() as client:
        client.say(call(1))
        client.host.settle(client.host.calls[0])
        client.say(call(1))
        assert len(client.host.calls) == 2


def test_the_end_of_the_connection_gives_up_what_runs() -> None:
    async def test() -> None:
        started, ended = asyncio.Event(), asyncio.Event()

        async def forever(_: dict[str, Any]) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        with Client(forever) as client:
            assert client.connection in client.connections
            client.say(call(1), call(2), call(3), query(4))
            client.host.settle(client.host.calls[1])
            await started.wait()
            client.connection.connection_lost(None)
            await ended.wait()
            assert client.host.cancelled == [1, 3]
            assert client.connections == set()

    run(test)


def test_a_query_is_given_up() -> None:
    async def test() -> None:
        async def forever(_: dict[str, Any]) -> None:
            await asyncio.Event().wait()

        with Client(forever) as client:
            client.say(query(1))
            await turns()
            client.say(cancel(1))
            await turns()
            client.say(cancel(1))
            assert client.heard == [("E", 1, "cancelled")]

    run(test)


def test_queries_that_go_wrong() -> None:
    async def test() -> None:
        async def answer(request: ops.Request) -> Any:
            if isinstance(request, ops.Ping):
                raise PitError("not_yours", "no")
            raise KeyError("ours")

        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with Client(answer) as client:
            client.say(query(1), query(2, b'{"op":"status"}'), query(3, b"nonsense"), query(4, b"[]"))
            await turns()
            assert sorted(client.heard) == [
                ("E", 1, "not_yours"), ("E", 2, "internal"), ("E", 3, "usage"), ("E", 4, "usage"),
            ]  # fmt: skip

    run(test)


def test_a_slow_reader_is_noticed() -> None:
    with Client() as client:
        client.say(call(1, stream=True), call(2, stream=True))
        client.connection.pause_writing()
        assert client.connection.congested
        client.connection.resume_writing()
        assert not client.connection.congested
        assert client.host.resumed == [1, 2]


def test_another_user_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with Client() as client:
        assert client.transport.aborted
        assert client.connections == set()


def test_a_client_may_not_have_too_many_bytes_in_calls_that_wait() -> None:
    with Client() as client:
        argument = b'"%s"' % (b"x" * (LIMIT - 2))
        client.say(*(call(number, argument) for number in range(1, 6)))
        assert client.heard == [("E", 5, "pool_saturated")]
        client.host.settle(client.host.calls[0])
        client.say(call(6, argument))
        assert len(client.host.calls) == 5, "an answer makes room"


def test_nor_in_queries() -> None:
    async def test() -> None:
        done = asyncio.Event()

        async def waits(_: object) -> None:
            await done.wait()

        with Client(waits) as client:
            body = b'{"op":"ping"%s}' % (b" " * (LIMIT - 13))
            client.say(*(query(number, body) for number in range(1, 6)))
            assert client.heard == [("E", 5, "pool_saturated")]
            client.say(cancel(1))
            client.say(query(6, body))
            done.set()
            await turns()
            assert [number for kind, number, _ in client.heard if kind == "R"] == [2, 3, 4, 6], "a cancel makes room"

    run(test)


def test_a_client_that_does_not_read_is_not_heard_until_it_does() -> None:
    with Client() as client:
        client.say(call(1), call(2), call(3))
        client.connection.pause_writing()
        client.transport.unread = LIMIT + 1
        client.host.settle(client.host.calls[0])
        assert not client.transport.reading
        client.connection.resume_writing()
        assert client.transport.reading
        client.connection.pause_writing()
        client.transport.unread = 8 * LIMIT + 1
        client.host.settle(client.host.calls[1])
        assert client.transport.aborted
