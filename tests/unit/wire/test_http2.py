"""gRPC over HTTP/2 as a machine without I/O: what a client may send, in whatever pieces."""

from __future__ import annotations

import contextlib
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from snakepit_cli.wire import http2
from snakepit_cli.wire.http2 import ProtocolError, Status
from tests.unit.wire import h2
from tests.unit.wire.h2 import Server, data, frame, headers, message, settings, window_update

CONVERSATION = (
    http2.PREFACE
    + settings(initial_window=1 << 20)
    + window_update(1 << 20)
    + headers(1)
    + data(message(b"one") + message(b"two"))
    + frame(h2.PING, payload=b"12345678")
    + data(message(b"")[:3])
    + data(message(b"")[3:])
    + data(message(b"three"), flags=h2.END_STREAM)
)


def said(server: Server) -> tuple[list[bytes], int, list[str]]:
    return server.listeners[1].messages, server.listeners[1].ends, server.paths


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 9, 64, 1 << 20])
def test_bytes_may_come_in_any_pieces(piece: int) -> None:
    server = Server(greet=False)
    for at in range(0, len(CONVERSATION), piece):
        server.receive(CONVERSATION[at : at + piece])
    assert said(server) == ([b"one", b"two", b"", b"three"], 1, [h2.PATH])


def test_bytes_may_be_cut_anywhere() -> None:
    for at in range(len(CONVERSATION)):
        server = Server(greet=False)
        server.receive(CONVERSATION[:at])
        server.receive(CONVERSATION[at:])
        assert said(server) == ([b"one", b"two", b"", b"three"], 1, [h2.PATH]), at


def test_the_greeting() -> None:
    server = Server(greet=False)
    server.receive(http2.PREFACE, settings(max_frame=1 << 20))
    assert server.frames() == [(h2.SETTINGS, h2.ACK, 0, b"")]
    assert server.connection.max_frame == 1 << 20
    server.receive(frame(h2.SETTINGS, h2.ACK))
    assert len(server.frames()) == 1, "an acknowledgement is not acknowledged"


def test_room_is_given_at_the_start() -> None:
    written: list[bytes] = []
    http2.Connection(written.append, lambda *_: None, max_message=100)
    first, second = h2.parse(b"".join(written))
    assert (first.kind, second.kind, second.stream) == (h2.SETTINGS, h2.WINDOW_UPDATE, 0)


def test_what_a_call_looks_like() -> None:
    server = Server()
    server.receive(headers())
    server.streams[1].send(b"hello")
    server.streams[1].finish(Status.INTERNAL, "it is gone")
    opening, body, trailers = server.frames()
    assert (opening.kind, opening.flags) == (h2.HEADERS, h2.END_HEADERS)
    assert dict(h2.Decoder().decode(opening.payload)) == {":status": "200", "content-type": "application/grpc"}
    assert body == (h2.DATA, 0, 1, message(b"hello"))
    assert trailers.flags == h2.END_HEADERS | h2.END_STREAM
    assert server.trailers() == {"grpc-status": "13", "grpc-message": "it is gone"}
    assert server.listeners[1].ends == 1


@pytest.mark.parametrize("text", ["plain", "100% of ä", "line\nbreak", "\x00\x7f", "x" * 1000, "ä" * 1000])
def test_status_texts_are_short_and_harmless(text: str) -> None:
    server = Server()
    server.receive(headers())
    server.streams[1].finish(Status.INTERNAL, text)
    told = server.trailers()["grpc-message"]
    assert len(told) <= 127
    assert told.isprintable()
    assert told.isascii()
    assert text.startswith(unquote(told))


def test_padding_and_priority_are_removed() -> None:
    server = Server()
    block = h2.block()
    server.receive(
        frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED | h2.WITH_PRIORITY, 1, b"\3" + b"\0" * 5 + block + b"pad"),
        data(b"\4" + message(b"one") + b"\0\0\0\0", flags=h2.PADDED),
        data(b"\0" + message(b"two"), flags=h2.PADDED),
        data(b"\1" + message(b"")[:2] + b"\0", flags=h2.PADDED),
        data(message(b"")[2:]),
    )
    assert server.listeners[1].messages == [b"one", b"two", b""]


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_headers_may_be_continued(pieces: int) -> None:
    server = Server()
    block = h2.block("/" + "long" * 200)
    size = len(block) // (pieces + 1)
    parts = [block[at : at + size] for at in range(0, len(block), size)]
    server.receive(frame(h2.HEADERS, 0, 1, parts[0]))
    for part in parts[1:-1]:
        server.receive(frame(h2.CONTINUATION, 0, 1, part))
    assert server.paths == []
    server.receive(frame(h2.CONTINUATION, h2.END_HEADERS, 1, parts[-1]), data(message(b"one")))
    assert server.paths == ["/" + "long" * 200]
    assert server.listeners[1].messages == [b"one"]


def test_a_message_in_many_frames_and_many_messages_in_one() -> None:
    server = Server()
    server.receive(headers())
    long = bytes(range(256)) * 1000
    stream = message(long) + message(b"short") + message(long)
    for at in range(0, len(stream), 16384):
        server.receive(data(stream[at : at + 16384]))
    assert server.listeners[1].messages == [long, b"short", long]


def test_frames_of_unknown_kinds_are_passed_over() -> None:
    server = Server()
    odd = [frame(kind, 0xFF, 1, b"whatever") for kind in (10, 11, 99, 255)]
    server.receive(*odd, headers(), *odd, frame(h2.PRIORITY, 0, 1, b"\0" * 5), data(message(b"one")))
    assert server.listeners[1].messages == [b"one"]
    assert len(server.frames()) == 1


def test_unknown_settings_are_passed_over() -> None:
    server = Server()
    server.receive(frame(h2.SETTINGS, payload=b"\0\x01\0\0\0\0" + b"\xab\xcd\0\0\0\1" + b"\0\x03\0\0\0\x64"))
    assert server.frames() == [(h2.SETTINGS, h2.ACK, 0, b"")]


def test_pings_are_answered() -> None:
    server = Server()
    server.receive(frame(h2.PING, payload=b"12345678"), frame(h2.PING, h2.ACK, 0, b"abcdefgh"))
    assert server.frames() == [(h2.PING, h2.ACK, 0, b"12345678")]


def test_a_goodbye_is_no_error() -> None:
    server = Server()
    server.receive(headers(), frame(h2.GOAWAY, payload=b"\0" * 8 + b"bye"), data(message(b"last")))
    assert server.listeners[1].messages == [b"last"]


def test_the_client_ends_its_side() -> None:
    server = Server()
    server.receive(headers(), data(message(b"one")), data(b"", flags=h2.END_STREAM))
    assert said(server)[:2] == ([b"one"], 1)
    assert server.trailers()["grpc-status"] == "0"
    server.receive(data(message(b"too late")))
    server.streams[1].send(b"too late")
    server.streams[1].finish(Status.INTERNAL, "too late")
    assert said(server)[:2] == ([b"one"], 1)
    assert len(server.frames(h2.HEADERS)) == 2
    assert server.connection.streams == {}


def test_a_call_without_messages() -> None:
    server = Server()
    server.receive(headers(flags=h2.END_HEADERS | h2.END_STREAM))
    assert server.listeners[1].ends == 1
    assert server.trailers()["grpc-status"] == "0"


def test_a_reset_ends_the_stream_in_silence() -> None:
    server = Server()
    server.receive(headers(), headers(3), frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"), data(message(b"late")))
    server.receive(data(message(b"other"), 3), frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"))
    assert said(server)[:2] == ([], 1)
    assert server.listeners[3].messages == [b"other"]
    assert server.trailers() == {}


def test_the_end_of_the_transport_ends_every_stream_once() -> None:
    server = Server()
    server.receive(headers(1), headers(3), headers(5))
    server.streams[3].finish(Status.OK)
    server.connection.lost()
    server.connection.lost()
    assert [one.ends for one in server.listeners.values()] == [1, 1, 1]


def test_a_refused_stream_does_no_harm_to_the_next() -> None:
    server = Server()
    server.refuse = True
    server.receive(headers(1, path="/other"), data(message(b"not heard")))
    assert server.trailers() == {"grpc-status": "12", "grpc-message": "no method /other"}
    server.refuse = False
    server.receive(headers(3), data(message(b"heard"), 3))
    assert server.listeners[3].messages == [b"heard"]


def test_compressed_messages_are_refused() -> None:
    server = Server()
    server.receive(headers(), data(message(b"plain")), data(message(b"packed", compressed=1) + message(b"plain")))
    assert server.listeners[1].messages == [b"plain"]
    assert server.trailers()["grpc-status"] == str(int(Status.UNIMPLEMENTED))


def test_a_message_that_is_too_long_is_refused_before_it_has_come() -> None:
    server = Server(max_message=1000)
    server.receive(headers(), data(message(b"x" * 1000) + message(b"x" * 2000)[:50]))
    assert server.listeners[1].messages == [b"x" * 1000]
    assert server.trailers()["grpc-status"] == str(int(Status.RESOURCE_EXHAUSTED))
    assert "2000 bytes; 1000 are allowed" in server.trailers()["grpc-message"]


class TestMalformed:
    @pytest.mark.parametrize(
        "wrong",
        [
            frame(h2.HEADERS, h2.END_HEADERS, 2, h2.block()),
            frame(h2.HEADERS, h2.END_HEADERS, 0, h2.block()),
            frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
            frame(h2.HEADERS, h2.END_HEADERS, 1, b"\x80"),
            frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED, 1, b"\x09abc"),
            frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED, 1, b""),
            frame(h2.HEADERS, 0, 1, h2.block()) + data(b""),
            frame(h2.HEADERS, 0, 1, h2.block()) + frame(h2.CONTINUATION, h2.END_HEADERS, 3),
            frame(h2.HEADERS, 0, 1, h2.block()) + frame(h2.CONTINUATION, 0, 1, b"\0" * 70_000),
            frame(h2.CONTINUATION, h2.END_HEADERS, 1, h2.block()),
            headers() + data(b"\x09abc", flags=h2.PADDED),
            headers() + data(b"", flags=h2.PADDED),
            frame(h2.SETTINGS, payload=b"\0" * 5),
            settings(initial_window=1 << 31),
        ],
    )
    def test_it_raises_a_protocol_error(self, wrong: bytes) -> None:
        server = Server()
        with pytest.raises(ProtocolError) as caught:
            server.receive(wrong)
        server.connection.goodbye(caught.value.code)
        last = server.frames()[-1]
        assert (last.kind, last.payload) == (h2.GOAWAY, b"\0\0\0\0" + caught.value.code.to_bytes(4, "big"))

    @pytest.mark.parametrize("greeting", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX", b"\0", b"{}"])
    def test_another_protocol_is_noticed_at_its_first_wrong_byte(self, greeting: bytes) -> None:
        server = Server(greet=False)
        with pytest.raises(ProtocolError):
            server.receive(greeting)

    @given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255), st.integers(0, 7), st.binary(max_size=60))))
    def test_frames_of_any_content(self, frames: list[tuple[int, int, int, bytes]]) -> None:
        server = Server()
        with contextlib.suppress(ProtocolError):
            server.receive(headers(), *(frame(*one) for one in frames))
        self.check(server)

    @given(st.binary(max_size=300), st.integers(1, 40))
    @example(b"", 1)
    def test_any_bytes(self, noise: bytes, piece: int) -> None:
        server = Server(greet=False)
        with contextlib.suppress(ProtocolError):
            stream = CONVERSATION[:80] + noise
            for at in range(0, len(stream), piece):
                server.receive(stream[at : at + piece])
        self.check(server)

    @given(st.integers(0, len(CONVERSATION) - 1), st.integers(0, 255))
    def test_one_wrong_byte(self, at: int, value: int) -> None:
        server = Server(greet=False)
        with contextlib.suppress(ProtocolError):
            server.receive(CONVERSATION[:at] + bytes([value]) + CONVERSATION[at + 1 :])
        self.check(server)

    @staticmethod
    def check(server: Server) -> None:
        """What was written is whole frames; every stream ends once."""
        server.frames()
        server.connection.lost()
        assert all(one.ends == 1 for one in server.listeners.values())
