"""What a client may not do, and what it is not let fill our memory with."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.wire import http2
from snakepit_cli.wire.http2 import ProtocolError, Status
from tests.unit.wire import h2
from tests.unit.wire.h2 import Server, data, frame, headers, message


def test_a_message_that_is_too_long_is_refused_although_it_fits_one_frame() -> None:
    server = Server(max_message=1000)
    server.receive(headers(), data(message(b"x" * 1000)), data(message(b"x" * 1001)))
    assert server.listeners[1].messages == [b"x" * 1000]
    assert server.trailers()["grpc-status"] == str(int(Status.RESOURCE_EXHAUSTED))


def test_no_more_is_kept_of_a_message_than_is_allowed() -> None:
    server = Server(max_message=100_000)
    server.receive(headers())
    stream, kept = server.streams[1], 0
    server.receive(data(message(b"x" * 100_000)[:5]))
    for _ in range(100):
        server.receive(data(b"x" * 9_999))
        kept = max(kept, len(stream._partial))
    assert kept <= 100_005
    assert [len(one) for one in server.listeners[1].messages] == [100_000]
    assert server.listeners[1].ends == 1, "the bytes after the message announce nothing that is allowed"
    assert len(server.connection._buffer) == 0


def test_nothing_is_kept_for_a_stream_that_has_ended() -> None:
    server = Server(max_message=1000)
    server.receive(headers(), data(message(b"x" * 2000)[:50]))
    stream = server.streams[1]
    kept = len(stream._partial)
    for _ in range(100):
        server.receive(data(b"x" * 16_000))
    assert len(stream._partial) == kept
    assert len(server.connection._buffer) == 0


def test_an_endless_header_block_is_not_kept() -> None:
    server = Server()
    server.receive(frame(h2.HEADERS, 0, 1, h2.block()))
    part = frame(h2.CONTINUATION, 0, 1, b"\0" * 1000)
    for _ in range(65):
        server.receive(part)
    with pytest.raises(ProtocolError, match="too many headers"):
        server.receive(part)


@pytest.mark.parametrize("flags", [0, h2.END_HEADERS])
def test_a_header_frame_that_is_too_long(flags: int) -> None:
    server = Server()
    with pytest.raises(ProtocolError, match="too many headers"):
        server.receive(frame(h2.HEADERS, flags, 1, b"\0" * 70_000))


def test_headers_that_grow_when_they_are_decoded() -> None:
    """Each byte of the block stands for a field of 4000 bytes that was said before."""
    long = h2.Encoder()
    block = long.encode([("name", "x" * 4000)]) + long.encode([("name", "x" * 4000)]) * 1000
    assert len(block) < 6000
    server = Server()
    with pytest.raises(ProtocolError):
        server.receive(frame(h2.HEADERS, h2.END_HEADERS, 1, block))


def test_a_path_of_any_bytes_is_handed_on() -> None:
    server = Server()
    server.refuse = True
    server.receive(headers(path=b"/\xff"))
    assert server.paths == ["/\ufffd"]
    assert server.trailers()["grpc-status"] == str(int(Status.UNIMPLEMENTED))


def test_a_stream_that_has_ended_does_not_begin_again() -> None:
    """The client's trailers may be on their way when we end the stream."""
    server = Server()
    server.receive(headers(1), headers(5))
    server.streams[5].finish(Status.OK)
    server.receive(headers(5, h2.END_HEADERS | h2.END_STREAM), headers(3), data(message(b"one")))
    assert server.paths == [h2.PATH] * 2
    assert list(server.connection.streams) == [1]
    assert server.listeners[1].messages == [b"one"]
    server.receive(headers(7))
    assert list(server.connection.streams) == [1, 7]


def test_the_largest_frame_there_can_be_is_one_that_we_allow() -> None:
    """So there is none that would have to be refused for its length."""
    written: list[bytes] = []
    http2.Connection(written.append, lambda *_: None, max_message=100)
    (announced, _) = h2.parse(b"".join(written))
    assert b"\0\5" + b"\0\xff\xff\xff" in announced.payload


@given(st.binary(max_size=80), st.booleans())
def test_header_blocks_of_any_content(block: bytes, opened: bool) -> None:
    server = Server()
    with contextlib.suppress(ProtocolError):
        server.receive(headers() if opened else b"", frame(h2.HEADERS, h2.END_HEADERS, 1, block))
    server.connection.lost()
    assert all(one.ends == 1 for one in server.listeners.values())


@given(st.binary(max_size=60))
def test_paths_of_any_content(path: bytes) -> None:
    server = Server()
    server.receive(headers(path=path))
    assert server.paths == [path.decode(errors="replace")]
