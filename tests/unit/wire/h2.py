"""The client's side of HTTP/2, frame by frame, for driving `wire.http2` from tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hpack import Decoder, Encoder

from snakepit_cli.wire import http2

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
INITIAL_WINDOW, MAX_FRAME = 4, 5
PATH = "/a.Service/Method"


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(**values: int) -> bytes:
    names = {"initial_window": INITIAL_WINDOW, "max_frame": MAX_FRAME}
    pairs = [names[name].to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in values.items()]
    return frame(SETTINGS, payload=b"".join(pairs))


def block(path: str | bytes = PATH) -> bytes:
    """A header block as a gRPC client sends it, without the decoder's table."""
    fields = [
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"), ("te", "trailers"),
        ("content-type", "application/grpc"), ("user-agent", "grpc-test/1.0"),
    ]  # fmt: skip
    return Encoder().encode(fields)


def headers(stream: int = 1, flags: int = END_HEADERS, path: str | bytes = PATH) -> bytes:
    return frame(HEADERS, flags, stream, block(path))


def message(data: bytes, compressed: int = 0) -> bytes:
    return bytes([compressed]) + len(data).to_bytes(4, "big") + data


def data(payload: bytes, stream: int = 1, flags: int = 0) -> bytes:
    return frame(DATA, flags, stream, payload)


def window_update(added: int, stream: int = 0) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, added.to_bytes(4, "big"))


def parse(written: bytes) -> Iterator[Frame]:
    at = 0
    while at < len(written):
        size = int.from_bytes(written[at : at + 3], "big")
        number = int.from_bytes(written[at + 5 : at + 9], "big")
        yield Frame(written[at + 3], written[at + 4], number, written[at + 9 : at + 9 + size])
        at += 9 + size
    assert at == len(written), "half a frame was written"


class Recorder:
    """A stream's listener."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.ends = 0

    def message(self, data: bytes) -> None:
        assert not self.ends
        self.messages.append(data)

    def ended(self) -> None:
        self.ends += 1


class Server:
    """A connection of `wire.http2` and all it did."""

    def __init__(self, *, max_message: int = 1 << 26, greet: bool = True) -> None:
        self.written = bytearray()
        self.streams: dict[int, http2.Stream] = {}
        self.listeners: dict[int, Recorder] = {}
        self.paths: list[str] = []
        self.refuse = False
        self.connection = http2.Connection(self._write, self._opened, max_message=max_message)
        self.forget()
        if greet:
            self.receive(http2.PREFACE + settings())
            self.forget()

    def _write(self, data: bytes) -> None:
        self.written += data

    def _opened(self, stream: http2.Stream, path: str) -> None:
        self.paths.append(path)
        if self.refuse:
            stream.finish(http2.Status.UNIMPLEMENTED, f"no method {path}")
            return
        number = max(self.connection.streams)
        self.streams[number] = stream
        self.listeners[number] = stream.listener = Recorder()

    def receive(self, *parts: bytes) -> None:
        self.connection.receive(b"".join(parts))

    def forget(self) -> None:
        self.written.clear()

    def frames(self, kind: int | None = None) -> list[Frame]:
        return [one for one in parse(bytes(self.written)) if kind in {None, one.kind}]

    def sent(self, stream: int = 1) -> bytes:
        """All data of a stream."""
        return b"".join(one.payload for one in self.frames(DATA) if one.stream == stream)

    def trailers(self, stream: int = 1) -> dict[str, str]:
        for one in self.frames(HEADERS):
            if one.stream == stream and one.flags & END_STREAM:
                return dict(Decoder().decode(one.payload))
        return {}
