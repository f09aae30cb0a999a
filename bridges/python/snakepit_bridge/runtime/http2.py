"""gRPC over HTTP/2 as a worker needs it: one stream to the gateway over a Unix socket, without threads of its own.

Messages leave from the thread that has something to say and arrive in the thread that reads. grpcio would move each
through two or three threads of its core; on few processors their wake-ups cost more than everything else in a call
together, and importing it costs each worker 70 ms and several MB.

RFC 9113 (HTTP/2) and the gRPC over HTTP/2 protocol document, as far as one bidirectional stream needs them.
"""

from __future__ import annotations

import _thread
import socket
import threading
from collections.abc import Iterator
from urllib.parse import unquote

from snakepit_bridge.runtime.outbox import Outbox

__all__ = ["ALREADY_EXISTS", "FAILED_PRECONDITION", "OK", "UNAUTHENTICATED", "UNAVAILABLE", "UNKNOWN", "GatewayStream"]

OK, UNKNOWN, ALREADY_EXISTS, FAILED_PRECONDITION, UNAVAILABLE, UNAUTHENTICATED = 0, 2, 6, 9, 14, 16
"""gRPC status codes that make a difference here."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 0x1, 0x1, 0x4, 0x8
_INITIAL_WINDOW, _MAX_FRAME = 4, 5
_WINDOW = (1 << 31) - 1
_REPLENISH = 1 << 29
_LARGEST_FRAME = (1 << 24) - 1
_STREAM = 1
_READ = 1 << 18
_ROOM_SECONDS = 60.0


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return b"%b%c%c%b%b" % (len(payload).to_bytes(3, "big"), kind, flags, stream.to_bytes(4, "big"), payload)


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field that is not to be indexed. Both shorter than 127 bytes."""
    return b"\x00%c%b%c%b" % (len(name), name, len(value), value)


def _opening(path: str) -> bytes:
    settings = b"\x00\x02\x00\x00\x00\x00\x00\x04%b\x00\x05%b" % (
        _WINDOW.to_bytes(4, "big"),
        _LARGEST_FRAME.to_bytes(4, "big"),
    )
    headers = b"".join(
        _literal(name, value)
        for name, value in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", b"localhost"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", b"snakepit-python"),
        )
    )
    return (
        _PREFACE
        + _frame(_SETTINGS, 0, 0, settings)
        + _frame(_WINDOW_UPDATE, 0, 0, (_WINDOW - 65535).to_bytes(4, "big"))
        + _frame(_HEADERS, _END_HEADERS, _STREAM, headers)
    )


class GatewayStream:
    """An open stream. Iterate over it for the server's messages; afterwards `status` says how it ended."""

    def __init__(self, address: str, path: str, outbox: Outbox) -> None:
        """Raises OSError when nobody listens. The outbox is being sent from now on."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(address.partition("unix:")[2] or address)
            self._socket.sendall(_opening(path))
        except OSError:
            self._socket.close()
            raise
        self._outbox = outbox
        self._sending = _thread.allocate_lock()
        self._writing = _thread.allocate_lock()
        self._window = 65535
        self._stream_window = 65535
        self._initial_window = 65535
        self._max_frame = 16384
        self._more_room = threading.Condition()
        self._reader = threading.get_ident()
        self._closed = False
        self._unread = 0
        self._partial = bytearray()
        self.status = (UNAVAILABLE, "the stream broke")
        outbox.wake = self.pump
        self.pump()

    def close(self) -> None:
        """Breaks the stream, from any thread."""
        self._socket.close()

    # ------------------------------------------------------------------------------------------ sending

    def pump(self) -> None:
        """Sends what there is to say unless another thread is at it, which then looks again. From any thread."""
        outbox, sending = self._outbox, self._sending
        while sending.acquire(False):
            try:
                outbox.idle = False
                closing = outbox.closing
                while (message := outbox.take()) is not None:
                    self._send(message)
                if closing and not self._closed:
                    self._closed = True
                    self._write(_frame(_DATA, _END_STREAM, _STREAM))
            except OSError:
                # The reader sees the end of the stream and tells everybody.
                return
            finally:
                outbox.idle = True
                sending.release()
            # Whoever put something in before seeing `idle` did not wake us: look again.
            if not (outbox.pending() or (outbox.closing and not self._closed)):
                return

    def _send(self, message: bytes) -> None:
        data = b"\x00%b%b" % (len(message).to_bytes(4, "big"), message)
        size = len(data)
        if size <= self._window and size <= self._stream_window and size <= self._max_frame:
            self._take_room(size)
            self._write(_frame(_DATA, 0, _STREAM, data))
            return
        at = 0
        while at < size:
            room = min(self._room(), self._max_frame, size - at)
            self._take_room(room)
            self._write(_frame(_DATA, 0, _STREAM, data[at : at + room]))
            at += room

    def _room(self) -> int:
        """How much may be sent now; waits while that is nothing."""
        with self._more_room:
            while (room := min(self._window, self._stream_window)) <= 0:
                # The reader cannot wait for itself. Our server gives so much room that it never has to.
                if threading.get_ident() == self._reader or not self._more_room.wait(_ROOM_SECONDS):
                    raise OSError("the server takes no more")
            return room

    def _take_room(self, size: int) -> None:
        with self._more_room:
            self._window -= size
            self._stream_window -= size

    def _write(self, data: bytes) -> None:
        """Whole frames only: the reader answers pings and settings in between."""
        with self._writing:
            self._socket.sendall(data)

    # ---------------------------------------------------------------------------------------- receiving

    def __iter__(self) -> Iterator[bytes]:
        """Must run in one thread, the reader's."""
        self._reader = threading.get_ident()
        buffer = bytearray()
        receive = self._socket.recv
        try:
            while data := receive(_READ):
                buffer += data
                at, size = 0, len(buffer)
                while size - at >= 9:
                    length = int.from_bytes(buffer[at : at + 3], "big")
                    if size - at - 9 < length:
                        break
                    kind, flags = buffer[at + 3], buffer[at + 4]
                    payload = bytes(buffer[at + 9 : at + 9 + length])
                    at += 9 + length
                    if kind == _DATA:
                        yield from self._messages(payload, flags)
                    elif self._control(
                        kind, flags, payload, int.from_bytes(buffer[at - length - 4 : at - length], "big")
                    ):
                        return
                del buffer[:at]
        except OSError as error:
            self.status = (UNAVAILABLE, error.strerror or str(error))

    def _messages(self, payload: bytes, flags: int) -> Iterator[bytes]:
        self._account(len(payload))
        if flags & _PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if not self._partial and len(payload) >= 5 and int.from_bytes(payload[1:5], "big") == len(payload) - 5:
            yield payload[5:]
            return
        partial = self._partial
        partial += payload
        at = 0
        while len(partial) - at >= 5:
            size = int.from_bytes(partial[at + 1 : at + 5], "big")
            if len(partial) - at - 5 < size:
                break
            yield bytes(partial[at + 5 : at + 5 + size])
            at += 5 + size
        del partial[:at]

    def _account(self, size: int) -> None:
        """Gives room back, to the connection and to the stream, when half of it could be gone."""
        self._unread += size
        if self._unread > _REPLENISH:
            room = self._unread.to_bytes(4, "big")
            self._unread = 0
            self._write(_frame(_WINDOW_UPDATE, 0, 0, room) + _frame(_WINDOW_UPDATE, 0, _STREAM, room))

    def _control(self, kind: int, flags: int, payload: bytes, stream: int) -> bool:
        """Any frame but DATA; True when the stream has ended."""
        if kind == _SETTINGS and not flags & _ACK:
            self._settings(payload)
            self._write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW_UPDATE:
            self._give_room(int.from_bytes(payload, "big") & _WINDOW, stream)
        elif kind == _HEADERS and flags & _END_STREAM:
            self.status = _status(payload)
            return True
        elif kind in (_RST_STREAM, _GOAWAY):
            self.status = (UNAVAILABLE, "the server ended the stream")
            return True
        return False

    def _settings(self, payload: bytes) -> None:
        for at in range(0, len(payload) - 5, 6):
            name, value = int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")
            if name == _INITIAL_WINDOW:
                self._give_room(value - self._initial_window, _STREAM)
                self._initial_window = value
            elif name == _MAX_FRAME:
                self._max_frame = value

    def _give_room(self, size: int, stream: int) -> None:
        with self._more_room:
            if stream:
                self._stream_window += size
            else:
                self._window += size
            self._more_room.notify_all()


def _status(block: bytes) -> tuple[int, str]:
    """Status and text of a block of trailers made of plain literals, which is what our server sends."""
    fields: dict[bytes, bytes] = {}
    at = 0
    while at < len(block) and block[at] == 0:
        name_end = at + 2 + block[at + 1]
        value_end = name_end + 1 + block[name_end]
        fields[block[at + 2 : name_end]] = block[name_end + 1 : value_end]
        at = value_end
    code = fields.get(b"grpc-status", b"")
    return (int(code) if code.isdigit() else UNKNOWN), unquote(fields.get(b"grpc-message", b"").decode())
