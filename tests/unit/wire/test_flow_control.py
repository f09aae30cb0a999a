"""Messages leave as fast as the client gives room, in frames no larger than it takes, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.wire.http2 import Status
from tests.unit.wire import h2
from tests.unit.wire.h2 import Server, headers, message, settings, window_update

LONG = bytes(range(251)) * 400
"""More than the 65,535 bytes that a connection starts with."""


def opened(**values: int) -> Server:
    server = Server()
    server.receive(settings(**values), headers())
    server.forget()
    return server


def test_a_long_message_stops_at_the_window_and_goes_on() -> None:
    server = opened()
    server.streams[1].send(LONG)
    assert server.sent() == message(LONG)[:65535]
    server.receive(window_update(10_000, 1))
    assert len(server.sent()) == 65535, "the connection has no room"
    server.receive(window_update(6_000))
    assert len(server.sent()) == 71535
    server.receive(window_update(1 << 20), window_update(1 << 20, 1))
    assert server.sent() == message(LONG)


@pytest.mark.parametrize("limit", [16384, 20_000, 1 << 20])
def test_no_frame_is_larger_than_the_client_takes(limit: int) -> None:
    server = opened(max_frame=limit, initial_window=1 << 20)
    server.receive(window_update(1 << 20))
    server.streams[1].send(LONG)
    assert server.sent() == message(LONG)
    assert max(len(one.payload) for one in server.frames(h2.DATA)) == min(limit, len(message(LONG)))


@pytest.mark.parametrize("value", [0, 1, 100])
def test_a_small_window_from_the_start(value: int) -> None:
    server = opened(initial_window=value)
    server.streams[1].send(b"hello" * 100)
    assert server.sent() == message(b"hello" * 100)[:value]
    for _ in range(505):
        server.receive(window_update(1, 1))
    assert server.sent() == message(b"hello" * 100)


def test_the_window_of_open_streams_changes_with_the_setting() -> None:
    server = opened()
    server.streams[1].send(b"x" * 1000)
    server.receive(settings(initial_window=500))  # what it has sent is more: it owes
    server.forget()
    server.streams[1].send(b"y")
    assert server.sent() == b""
    server.receive(window_update(504, 1))
    assert server.sent() == b""
    server.receive(window_update(7, 1))
    assert server.sent() == message(b"y")
    server.receive(settings(initial_window=1 << 20))
    server.forget()
    server.streams[1].send(b"z" * 1000)
    assert server.sent() == message(b"z" * 1000)


def test_streams_share_the_room_of_their_connection() -> None:
    server = opened(initial_window=1 << 20)
    server.receive(headers(3))
    server.streams[1].send(b"a" * 60_000)
    server.streams[3].send(b"b" * 60_000)
    assert len(server.sent(1)) + len(server.sent(3)) == 65535
    server.receive(window_update(1 << 20))
    assert (server.sent(1), server.sent(3)) == (message(b"a" * 60_000), message(b"b" * 60_000))


def test_a_long_message_is_not_copied_for_each_frame() -> None:
    server = opened()
    server.streams[1].send(LONG)
    (rest,) = server.streams[1].outbox
    whole = rest.obj
    server.receive(window_update(1000), window_update(1000, 1))
    (rest,) = server.streams[1].outbox
    assert rest.obj is whole


def test_a_stream_that_ended_takes_no_more_room() -> None:
    server = opened()
    server.streams[1].send(LONG)
    server.receive(h2.frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"))
    before = len(server.written)
    server.receive(window_update(1 << 20), window_update(1 << 20, 1))
    assert len(server.written) == before
    server.receive(headers(3))
    server.streams[3].send(b"next")
    assert server.sent(3) == message(b"next")


def test_a_refused_client_hears_why_although_it_gave_no_room() -> None:
    server = opened(initial_window=0)
    server.streams[1].finish(Status.UNAUTHENTICATED, "who are you?")
    assert server.trailers()["grpc-message"] == "who are you?"


@given(
    st.lists(st.binary(max_size=50), max_size=10),
    st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=40),
    st.integers(0, 30),
)
def test_whatever_the_room_nothing_is_lost_or_overtakes(
    messages: list[bytes], updates: list[tuple[bool, int]], window: int
) -> None:
    """Sends and window updates take turns; the room is never exceeded, and everything has left when it suffices."""
    server = opened(initial_window=window)
    room, wanted = window, b"".join(map(message, messages))
    for turn in range(max(len(messages), len(updates))):
        if turn < len(messages):
            server.streams[1].send(messages[turn])
        if turn < len(updates):
            mine, added = updates[turn]
            server.receive(window_update(added, 1 if mine else 0))
            room += added if mine else 0
        assert len(server.sent()) <= room
    assert server.sent() == wanted[: len(server.sent())]
    server.receive(window_update(10_000, 1))
    assert server.sent() == wanted
