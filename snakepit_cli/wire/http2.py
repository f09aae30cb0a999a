"""gRPC over HTTP/2 as a server needs it for one long-lived stream a connection, without threads and without I/O.

Bytes in (`receive`), bytes out (`write`), callbacks for what happens. A DATA frame that holds exactly one message,
which is nearly every frame here, takes a few microseconds. Header blocks are decoded by the hpack package; ours are
short enough to be constants. docs/design/decisions/0001-own-grpc-transport.md says why this is not grpcio: that
moves each message through two or three threads, and their wake-ups cost more than all the rest of a call.

RFC 9113 (HTTP/2) and the gRPC over HTTP/2 protocol document.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol
from urllib.parse import quote

from hpack import Decoder, HPACKError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_INITIAL_WINDOW, _MAX_FRAME = 4, 5
_PROTOCOL_ERROR, _FLOW_CONTROL_ERROR, _FRAME_SIZE_ERROR, _COMPRESSION_ERROR = 1, 3, 6, 9

_WINDOW = (1 << 31) - 1
"""Window that we grant: the maximum. Chunks have their own credit, and calls are bounded by capacity."""
_REPLENISH = 1 << 29
_FRAME = (1 << 24) - 1
_HEADER_LIMIT = 1 << 16
_LONG = 1 << 16
# ":status 200" (static entry 8), then "content-type" (entry 31) as a literal.
_RESPONSE = b"\x88\x0f\x10\x10application/grpc"


class Status(IntEnum):
    """The gRPC status codes that we send."""

    OK = 0
    INVALID_ARGUMENT = 3
    ALREADY_EXISTS = 6
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAUTHENTICATED = 16


class ProtocolError(Exception):
    """The peer does not speak HTTP/2 as agreed; `code` is for the GOAWAY frame."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Listener(Protocol):
    """Callbacks for what a stream brings."""

    def message(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """No more messages come, for whatever reason. Called once."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return b"%b%c%c%b%b" % (len(payload).to_bytes(3, "big"), kind, flags, stream.to_bytes(4, "big"), payload)


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field that is not to be indexed. Both shorter than 127 bytes."""
    return b"\x00%c%b%c%b" % (len(name), name, len(value), value)


class Stream:
    """One call of a method, seen from the server."""

    def __init__(self, connection: Connection, number: int, window: int) -> None:
        self.listener: Listener | None = None
        self.window = window
        self._connection = connection
        self._number = number
        self._partial = bytearray()
        self._unread = 0
        self._open = True
        self.outbox: deque[memoryview] = deque()
        """What the peer had no room for. Views: a long message is not copied again for each of its frames."""
        self._waiting = 0
        """Bytes in it."""

    @property
    def unread(self) -> int:
        """Bytes that are not sent yet, of this stream and below it."""
        return self._waiting + self._connection.unwritten()

    def send(self, message: bytes) -> None:
        """A message to the client. After the end of the stream it is dropped."""
        if not self._open:
            return
        data = b"\x00%b%b" % (len(message).to_bytes(4, "big"), message)
        connection = self._connection
        size = len(data)
        if not self.outbox and size <= self.window and size <= connection.window and size <= connection.max_frame:
            self.window -= size
            connection.window -= size
            connection.write(frame(_DATA, 0, self._number, data))
        else:
            self.outbox.append(memoryview(data))
            self._waiting += size
            self.flush()

    def flush(self) -> None:
        """Sends as much as the peer has room for."""
        connection = self._connection
        while self.outbox and (room := min(self.window, connection.window, connection.max_frame)) > 0:
            data = self.outbox.popleft()
            if len(data) > room:
                self.outbox.appendleft(data[room:])
                data = data[:room]
            self.window -= len(data)
            self._waiting -= len(data)
            connection.window -= len(data)
            connection.write(frame(_DATA, 0, self._number, bytes(data)))

    def finish(self, status: Status, text: str = "") -> None:
        """Ends the stream with a status; the text is shortened to fit."""
        if self._open:
            message = quote(text, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")[:120].encode()
            block = _literal(b"grpc-status", str(int(status)).encode()) + _literal(b"grpc-message", message)
            self._connection.write(frame(_HEADERS, _END_HEADERS | _END_STREAM, self._number, block))
            self.end()

    def end(self) -> None:
        if self._open:
            self._open = False
            self._connection.streams.pop(self._number, None)
            if self.listener is not None:
                self.listener.ended()

    def data(self, payload: bytes) -> None:
        self._unread += len(payload)
        if self._unread > _REPLENISH:
            self._connection.write(frame(_WINDOW_UPDATE, 0, self._number, self._unread.to_bytes(4, "big")))
            self._unread = 0
        whole = not self._partial and 5 < len(payload) <= self._connection.max_message + 5 and payload[0] == 0
        if whole and int.from_bytes(payload[1:5], "big") == len(payload) - 5:
            self._deliver(payload[5:])
            return
        if self._heads(payload):  # a long message comes in a frame of its own, behind its head
            self._partial.clear()
            self._deliver(payload)
            return
        self._partial += payload
        self._take_messages()

    def _heads(self, payload: bytes) -> bool:
        """What has come before is the head of a message, and this is the whole of it."""
        partial, size = self._partial, len(payload)
        return len(partial) == 5 and partial == b"\0" + size.to_bytes(4, "big") and size <= self._connection.max_message

    def _take_messages(self) -> None:
        partial, at = self._partial, 0
        while len(partial) - at >= 5 and self._open:
            size = int.from_bytes(partial[at + 1 : at + 5], "big")
            if partial[at]:
                self.finish(Status.UNIMPLEMENTED, "compressed messages are not supported")
            elif size > self._connection.max_message:
                self.finish(
                    Status.RESOURCE_EXHAUSTED, f"a message of {size} bytes; {self._connection.max_message} are allowed"
                )
            elif len(partial) - at - 5 < size:
                break
            else:
                self._deliver(bytes(partial[at + 5 : at + 5 + size]))
                at += 5 + size
        del partial[:at]

    def _deliver(self, message: bytes) -> None:
        if self.listener is not None and self._open:
            self.listener.message(message)


class Connection:
    """One client. `opened` is called with each new stream and its path, and gives the stream a listener or ends it."""

    def __init__(
        self, write: Callable[[bytes], None], opened: Callable[[Stream, str], None], *, max_message: int,
        unwritten: Callable[[], int] = int,
    ) -> None:  # fmt: skip
        """`unwritten`: bytes that were given to `write` and have not left."""
        self.write = write
        self.unwritten = unwritten
        self.streams: dict[int, Stream] = {}
        self.window = 65535
        self.max_frame = 16384
        self.max_message = max_message
        self._opened = opened
        self._initial_window = 65535
        self._buffer = bytearray()
        self._greeted = False
        self._decoder = Decoder(max_header_list_size=_HEADER_LIMIT)
        self._headers: tuple[int, bytearray, int] | None = None
        self._latest = 0
        """The client's streams are numbered upward: what is not above this one has been ended."""
        self._unread = 0
        settings = b"\x00\x04%b\x00\x05%b" % (_WINDOW.to_bytes(4, "big"), _FRAME.to_bytes(4, "big"))
        write(frame(_SETTINGS, 0, 0, settings) + frame(_WINDOW_UPDATE, 0, 0, (_WINDOW - 65535).to_bytes(4, "big")))

    def receive(self, data: bytes) -> None:
        """Raises ProtocolError, after which the connection is to be closed (see `goodbye`)."""
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        if not self._greeted:
            if not PREFACE.startswith(buffer[: len(PREFACE)]):
                raise ProtocolError(_PROTOCOL_ERROR, "no HTTP/2 preface")
            if size < len(PREFACE):
                return
            self._greeted, at = True, len(PREFACE)
        while size - at >= 9:
            length = int.from_bytes(buffer[at : at + 3], "big")
            if size - at - 9 < length:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            number = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFFFFFF
            # Through a view a long payload is copied once, not twice; a short one is quicker without.
            payload = bytes((memoryview(buffer) if length > _LONG else buffer)[at + 9 : at + 9 + length])
            at += 9 + length
            if self._headers is not None and kind != _CONTINUATION:
                raise ProtocolError(_PROTOCOL_ERROR, "a header block was interrupted")
            if kind == _DATA:
                self._data(number, flags, payload)
            elif handler := _FRAMES.get(kind):
                handler(self, number, flags, payload)
        del buffer[:at]

    def goodbye(self, code: int) -> None:
        """The last frame before closing."""
        self.write(frame(_GOAWAY, 0, 0, b"\x00\x00\x00\x00" + code.to_bytes(4, "big")))

    def lost(self) -> None:
        """The transport is closed, and so is every stream."""
        for stream in list(self.streams.values()):
            stream.end()

    def _data(self, number: int, flags: int, payload: bytes) -> None:
        self._unread += len(payload)
        if self._unread > _REPLENISH:
            self.write(frame(_WINDOW_UPDATE, 0, 0, self._unread.to_bytes(4, "big")))
            self._unread = 0
        stream = self.streams.get(number)
        if stream is None:
            return  # ended by us; the peer did not know yet
        stream.data(_unpadded(payload) if flags & _PADDED else payload)
        if flags & _END_STREAM:
            stream.finish(Status.OK)

    def _headers_frame(self, number: int, flags: int, payload: bytes) -> None:
        if flags & _PADDED:
            payload = _unpadded(payload)
        if flags & _PRIORITY:
            payload = payload[5:]
        self._headers = number, bytearray(), flags
        self._headers_part(payload, flags)

    def _continuation(self, number: int, flags: int, payload: bytes) -> None:
        if self._headers is None or self._headers[0] != number:
            raise ProtocolError(_PROTOCOL_ERROR, "a continuation of nothing")
        self._headers_part(payload, flags)

    def _headers_part(self, part: bytes, flags: int) -> None:
        assert self._headers is not None  # noqa: S101 — for the type checker; both callers have seen to it
        number, block, first_flags = self._headers
        block += part
        if len(block) > _HEADER_LIMIT:
            raise ProtocolError(_PROTOCOL_ERROR, "too many headers")
        if flags & _END_HEADERS:
            self._headers = None
            self._headers_complete(number, block, first_flags)

    def _headers_complete(self, number: int, block: bytearray, flags: int) -> None:
        try:
            fields = list(self._decoder.decode(bytes(block), raw=True))
        except HPACKError as error:
            raise ProtocolError(_COMPRESSION_ERROR, str(error)) from error
        known = self.streams.get(number)
        if known is None:
            if number % 2 == 0:
                raise ProtocolError(_PROTOCOL_ERROR, "a stream number that is not a client's")
            if number <= self._latest:
                return  # ended by us; the peer did not know yet
            self._latest = number
            known = self.streams[number] = Stream(self, number, self._initial_window)
            self.write(frame(_HEADERS, _END_HEADERS, number, _RESPONSE))
            path = next((field[1] for field in fields if field[0] == b":path"), b"")
            self._opened(known, path.decode(errors="replace"))
        if flags & _END_STREAM:
            known.finish(Status.OK)

    def _settings(self, _: int, flags: int, payload: bytes) -> None:
        if flags & _ACK:
            return
        if len(payload) % 6:
            raise ProtocolError(_FRAME_SIZE_ERROR, "settings of a wrong length")
        for at in range(0, len(payload), 6):
            name, value = int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")
            if name == _INITIAL_WINDOW:
                if value > _WINDOW:
                    raise ProtocolError(_FLOW_CONTROL_ERROR, "a window that large cannot be")
                for stream in self.streams.values():
                    stream.window += value - self._initial_window
                self._initial_window = value
            elif name == _MAX_FRAME:
                self.max_frame = max(16384, min(value, _FRAME))
        self.write(frame(_SETTINGS, _ACK, 0))
        self._flush()

    def _ping(self, _: int, flags: int, payload: bytes) -> None:
        if not flags & _ACK:
            self.write(frame(_PING, _ACK, 0, payload))

    def _window_update(self, number: int, _: int, payload: bytes) -> None:
        added = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if number == 0:
            self.window += added
            self._flush()
        elif stream := self.streams.get(number):
            stream.window += added
            stream.flush()

    def _flush(self) -> None:
        for stream in self.streams.values():
            stream.flush()

    def _reset(self, number: int, _: int, __: bytes) -> None:
        if stream := self.streams.get(number):
            stream.end()


_FRAMES: dict[int, Callable[[Connection, int, int, bytes], None]] = {
    _HEADERS: Connection._headers_frame,  # noqa: SLF001 — the table belongs to the class
    _CONTINUATION: Connection._continuation,  # noqa: SLF001
    _SETTINGS: Connection._settings,  # noqa: SLF001
    _PING: Connection._ping,  # noqa: SLF001
    _WINDOW_UPDATE: Connection._window_update,  # noqa: SLF001
    _RST_STREAM: Connection._reset,  # noqa: SLF001
}


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise ProtocolError(_PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]
