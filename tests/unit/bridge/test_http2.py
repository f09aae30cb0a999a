"""The bridge's own gRPC transport against a server that says exactly what the test wants."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hpack import Encoder
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.runtime import http2
from snakepit_bridge.runtime.http2 import GatewayStream
from snakepit_bridge.runtime.outbox import Outbox

from tests.harness import wait
from tests.unit.bridge import peer as h2
from tests.unit.bridge.peer import Peer, data, frame, message, room, settings

FIRST = pb.FromWorker(hello=pb.Hello(token="secret", worker="w1"))
FIRST_SIZE = 5 + FIRST.ByteSize()


class Asked:
    """As much of a call as the outbox needs."""

    def __init__(self, number: int = 1) -> None:
        self.id = number
        self.lines: list[bytes] = []


class Talk:
    """A stream and the server it talks to."""

    def __init__(self, path: Path) -> None:
        self.peer = Peer(path)
        self.outbox = Outbox(FIRST, lambda: None)
        self.stream = GatewayStream(self.peer.address, "/a.Service/Method", self.outbox)
        self.peer.accept()
        self.peer.bytes_of_data(FIRST_SIZE)

    def answer(self, value: bytes, number: int = 1) -> None:
        self.outbox.put_result(pb.Result(id=number, value=value), Asked(number))

    def hear(self, *frames: bytes) -> list[bytes] | None:
        """The messages in what the server says; all of it is read."""
        return self.hear_pieces([b"".join(frames)])

    def hear_pieces(self, pieces: list[bytes]) -> list[bytes] | None:
        found: list[bytes] = []
        for piece in pieces:
            self.peer.say(piece)
            left = len(piece)
            while left > 0:
                left -= min(left, http2._READ)
                got = self.stream.receive()
                if got is None:
                    return None
                found += got
        return found


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    one = Talk(tmp_path / "s.sock")
    yield one
    one.stream.close()
    one.peer.close()


def trailers(code: int, text: str = "", *, huffman: bool = True) -> bytes:
    block = Encoder().encode([("grpc-status", str(code)), ("grpc-message", text)], huffman=huffman)
    return frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block)


OPENING = frame(h2.HEADERS, h2.END_HEADERS, 1, Encoder().encode([(":status", "200")]))


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        GatewayStream(f"unix:{tmp_path / 'none'}", "/a", Outbox(FIRST, lambda: None))


def test_how_it_begins(talk: Talk) -> None:
    greeting, window, headers, first = talk.peer.frames()
    assert (greeting.kind, greeting.stream, len(greeting.payload) % 6) == (h2.SETTINGS, 0, 0)
    assert (window.kind, window.stream) == (h2.WINDOW_UPDATE, 0)
    assert (headers.kind, headers.flags, headers.stream) == (h2.HEADERS, h2.END_HEADERS, 1)
    assert first == (h2.DATA, 0, 1, message(FIRST.SerializeToString()))


class TestHearing:
    def test_bytes_may_be_cut_anywhere(self, talk: Talk) -> None:
        said = settings() + OPENING + data(message(b"one") + message(b"")) + data(message(b"two")[:4])
        said += frame(h2.PING, payload=b"12345678") + data(message(b"two")[4:]) + room(5, 1)
        for at in range(1, len(said)):
            assert talk.hear_pieces([said[:at], said[at:]]) == [b"one", b"", b"two"]
        assert talk.hear_pieces([said[at : at + 1] for at in range(len(said))]) == [b"one", b"", b"two"]

    def test_padding_is_removed(self, talk: Talk) -> None:
        assert talk.hear(
            data(b"\3" + message(b"one") + b"\0" * 3, h2.PADDED),
            data(b"\0" + message(b"two"), h2.PADDED),
            data(b"\1" + message(b"three")[:7] + b"\0", h2.PADDED),
            data(message(b"three")[7:]),
        ) == [b"one", b"two", b"three"]

    @pytest.mark.parametrize("cut", [16384, 70_000, 1 << 20])
    def test_a_message_in_many_frames_and_many_in_one(self, talk: Talk, cut: int) -> None:
        long = bytes(range(256)) * 2000
        body = message(long) + message(b"short") * 3 + message(long)
        frames = b"".join(data(body[at : at + cut]) for at in range(0, len(body), cut))
        sender = threading.Thread(target=talk.peer.say, args=(frames,))
        sender.start()
        found: list[bytes] = []
        while len(found) < 5:
            found += talk.stream.receive() or []
        sender.join()
        assert found == [long, b"short", b"short", b"short", long]

    def test_what_is_not_known_is_passed_over(self, talk: Talk) -> None:
        odd = [frame(kind, 0xFF, 1, b"whatever") for kind in (2, 5, 10, 99)]
        unknown = frame(h2.SETTINGS, payload=b"\xab\xcd\0\0\0\1")
        assert talk.hear(*odd, unknown, data(message(b"one")), *odd) == [b"one"]

    def test_pings_and_settings_are_acknowledged_and_acknowledgements_are_not(self, talk: Talk) -> None:
        talk.hear(frame(h2.PING, payload=b"12345678"), frame(h2.PING, h2.ACK, 0, b"abcdefgh"))
        talk.hear(settings(max_frame=1 << 20), frame(h2.SETTINGS, h2.ACK))
        wait.until(lambda: len(talk.peer.frames()) >= 6, "two answers")
        assert talk.peer.frames()[4:] == [(h2.PING, h2.ACK, 0, b"12345678"), (h2.SETTINGS, h2.ACK, 0, b"")]

    def test_room_is_given_back_before_it_is_used_up(self, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http2, "_REPLENISH", 1000)
        for _ in range(10):
            talk.hear(data(message(b"x" * 295)))
        wait.until(lambda: len(talk.peer.frames(h2.WINDOW_UPDATE)) >= 5, "window updates")
        given = [(one.stream, int.from_bytes(one.payload, "big")) for one in talk.peer.frames(h2.WINDOW_UPDATE)[1:]]
        assert given == [(0, 1200), (1, 1200)] * 2


class TestTheEnd:
    @pytest.mark.parametrize("huffman", [True, False])
    @pytest.mark.parametrize(
        ("sent", "text"),
        [("", ""), ("who are you?", "who are you?"), ("100%25 %C3%A4", "100% ä"), ("x" * 500, "x" * 500)],
    )
    def test_trailers(self, talk: Talk, huffman: bool, sent: str, text: str) -> None:
        assert talk.hear(OPENING, trailers(16, sent, huffman=huffman)) is None
        assert talk.stream.status == (http2.UNAUTHENTICATED, text)

    def test_what_came_with_the_trailers_is_heard(self, talk: Talk) -> None:
        assert talk.hear(OPENING, data(message(b"last")), trailers(0)) == [b"last"]
        assert talk.stream.ended
        assert talk.stream.status == (http2.OK, "")

    @pytest.mark.parametrize(("flag", "before", "after"), [(0x8, b"\2", b"\0\0"), (0x20, b"\0" * 5, b"")])
    def test_trailers_in_every_dress(self, talk: Talk, flag: int, before: bytes, after: bytes) -> None:
        block = Encoder().encode([(b"grpc-status", b"16"), (b"grpc-message", b"\xff")])
        flags = h2.END_HEADERS | h2.END_STREAM | flag
        assert talk.hear(OPENING, frame(h2.HEADERS, flags, 1, before + block + after)) is None
        assert talk.stream.status == (http2.UNAUTHENTICATED, "\N{REPLACEMENT CHARACTER}")

    def test_padding_of_nothing(self, talk: Talk) -> None:
        assert talk.hear(OPENING, data(b"", 8), data(message(b"one"))) == [b"one"]

    @pytest.mark.parametrize("block", [b"\xff\xff\xff\xff\xff", b"\x80", b"", b"\0\x0bgrpc-status\3abc"])
    def test_trailers_that_say_nothing(self, talk: Talk, block: bytes) -> None:
        assert talk.hear(frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block)) is None
        assert talk.stream.status[0] == http2.UNKNOWN

    @pytest.mark.parametrize("last", [frame(h2.GOAWAY, payload=b"\0" * 8), frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08")])
    def test_the_server_goes(self, talk: Talk, last: bytes) -> None:
        assert talk.hear(OPENING, last) is None
        assert talk.stream.status[0] == http2.UNAVAILABLE

    def test_the_connection_breaks(self, talk: Talk) -> None:
        talk.peer.hang_up()
        assert talk.stream.receive() is None
        assert talk.stream.status[0] == http2.UNAVAILABLE
        talk.answer(b"1")  # it is dropped, without an error
        talk.answer(b"2" * 1_000_000)

    def test_after_close_everything_is_dropped(self, talk: Talk) -> None:
        talk.stream.close()
        talk.answer(b"1")
        talk.outbox.close()
        assert talk.peer.gone.wait(20)
        assert len(talk.peer.body()) == FIRST_SIZE

    def test_our_half_ends_when_all_is_said(self, talk: Talk) -> None:
        talk.answer(b"1")
        talk.outbox.close()
        wait.until(lambda: talk.peer.frames()[-1].flags & h2.END_STREAM, "the end")
        assert talk.peer.values() == [b"1"]
        assert talk.peer.frames()[-1] == (h2.DATA, h2.END_STREAM, 1, b"")

    def test_our_half_ends_after_what_had_no_room(self, talk: Talk) -> None:
        talk.answer(b"x" * 100_000)
        talk.answer(b"last", 2)
        talk.outbox.close()
        talk.peer.bytes_of_data(65535)
        assert not any(one.flags & h2.END_STREAM for one in talk.peer.frames(h2.DATA))
        talk.hear(room(1 << 20, 0), room(1 << 20, 1))
        wait.until(lambda: talk.peer.frames()[-1].flags & h2.END_STREAM, "the end")
        assert talk.peer.values() == [b"x" * 100_000, b"last"]


class TestRoom:
    def test_a_long_message_stops_at_the_window_and_goes_on(self, talk: Talk) -> None:
        talk.answer(b"x" * 100_000)
        talk.peer.bytes_of_data(65535)
        assert not talk.stream.pending()
        talk.hear(room(10_000, 1))
        assert not talk.stream.pending(), "the connection has no room"
        talk.hear(room(4_465, 0))
        talk.peer.bytes_of_data(70_000)
        talk.answer(b"next", 2)
        talk.hear(room(1 << 20, 0), room(1 << 20, 1))
        wait.until(lambda: len(talk.peer.values()) == 2, "the rest")
        assert talk.peer.values() == [b"x" * 100_000, b"next"]
        assert max(len(one.payload) for one in talk.peer.frames(h2.DATA)) == 16384

    def test_a_window_of_one_byte(self, talk: Talk) -> None:
        talk.hear(settings(initial_window=FIRST_SIZE + 1))
        talk.answer(b"hello", 1)
        talk.answer(b"world", 2)
        size = FIRST_SIZE + 1
        while len(talk.peer.values()) < 2:
            talk.peer.bytes_of_data(size)
            talk.hear(room(1, 1))
            size += 1
        assert talk.peer.values() == [b"hello", b"world"]

    def test_the_setting_changes_the_window_of_the_open_stream(self, talk: Talk) -> None:
        talk.hear(settings(initial_window=FIRST_SIZE - 10))  # what was sent is more: it owes
        talk.answer(b"hello")
        assert not talk.stream.pending()
        talk.hear(room(10, 1))
        assert not talk.stream.pending()
        talk.hear(room(3, 1))
        talk.peer.bytes_of_data(FIRST_SIZE + 3)
        talk.hear(settings(initial_window=1 << 20))
        wait.until(lambda: talk.peer.values() == [b"hello"], "the rest")

    def test_frames_are_as_large_as_the_server_takes(self, talk: Talk) -> None:
        talk.hear(settings(max_frame=50_000, initial_window=1 << 20), room(1 << 20, 0))
        talk.answer(b"x" * 120_000)
        wait.until(lambda: talk.peer.values() == [b"x" * 120_000], "all of it")
        assert [len(one.payload) for one in talk.peer.frames(h2.DATA)][1:3] == [50_000, 50_000]

    def test_many_threads_speak_while_room_comes_in_drops(self, talk: Talk) -> None:
        def speak(number: int) -> None:
            for index in range(50):
                talk.answer(b"%d " % number * 200, number * 1000 + index)

        talk.hear(settings(initial_window=0))
        speakers = [threading.Thread(target=speak, args=(number,)) for number in range(1, 5)]
        for one in speakers:
            one.start()
        for _ in range(100):
            talk.hear(room(997, 1), room(1009, 0), frame(h2.PING, payload=os.urandom(8)))
        for one in speakers:
            one.join()
        talk.hear(room(1 << 20, 1), room(1 << 20, 0))
        wait.until(lambda: len(talk.peer.values()) == 200, "all answers")
        said = [one for part in talk.peer.messages() for one in part.results]
        for number in range(1, 5):
            assert [one.id for one in said if one.id // 1000 == number] == [number * 1000 + at for at in range(50)]
            assert all(one.value == b"%d " % number * 200 for one in said if one.id // 1000 == number)
        wait.until(lambda: len(talk.peer.frames(h2.PING)) == 100, "all pings to be answered")
