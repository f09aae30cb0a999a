"""gRPC over HTTP/2 as a worker needs it: one stream to the gateway over a Unix socket, without threads of its own.

Messages leave from the thread that has something to say and arrive in the one that reads. grpcio would move each
through two or three threads of its core; on few processors their wake-ups cost more than everything else in a call
together, and importing it costs each worker 70 ms and several MB.

RFC 9113 (HTTP/2) and the gRPC over HTTP/2 protocol document, as far as one bidirectional stream needs them.
"""

from __future__ import annotations

import _thread
import select
import socket
from collections.abc import Iterator
from urllib.parse import unquote

from snakepit_bridge.runtime.outbox import Outbox

__all__ = ["ALREADY_EXISTS", "FAILED_PRECONDITION", "OK", "UNAUTHENTICATED", "UNAVAILABLE", "UNKNOWN", "GatewayStream"]

OK, UNKNOWN, ALREADY_EXISTS, FAILED_PRECONDITION, UNAVAILABLE, UNAUTHENTICATED = 0, 2, 6, 9, 14, 16
"""gRPC status codes that make a difference here."""

# What an adapter patches when it is imported must not reach the stream.
_Socket = socket.socket
_new_poll = select.poll
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
"""An adapter may have given SIGPIPE its default effect."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_INITIAL_WINDOW, _MAX_FRAME = 4, 5
_WINDOW = (1 << 31) - 1
_REPLENISH = 1 << 29
_LARGEST_FRAME = (1 << 24) - 1
_STREAM = 1
_READ = 1 << 16
"""More would make each read allocate fresh pages (malloc gives such sizes to mmap), a tenth of a call."""


def _frame_head(kind: int, flags: int, stream: int, size: int) -> bytes:
    return b"%b%c%c%b" % (size.to_bytes(3, "big"), kind, flags, stream.to_bytes(4, "big"))


def _frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    return b"".join((_frame_head(kind, flags, stream, len(payload)), payload))


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field that is not to be indexed. Both shorter than 127 bytes."""
    return b"\x00%c%b%c%b" % (len(name), name, len(value), value)


def _opening(path: str) -> bytes:
    # No dynamic table, no pushes, and all the room there can be.
    settings = b"\x00\x01\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x04%b\x00\x05%b" % (
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
    """An open stream. `receive` until it gives None; afterwards `status` says how it ended."""

    def __init__(self, address: str, path: str, outbox: Outbox) -> None:
        """Raises OSError when nothing listens. The outbox is sent from now on."""
        self._socket = _Socket(socket.AF_UNIX)
        self._socket.settimeout(None)  # whatever the adapter has made the default
        try:
            self._socket.connect(address.partition("unix:")[2] or address)
            self._socket.sendall(_opening(path), _NO_SIGNAL)
        except OSError:
            self._socket.close()
            raise
        self.outbox = outbox
        self._polls: dict[int, select.poll] = {}
        self._sending = _thread.allocate_lock()
        self._writing = _thread.allocate_lock()
        self._window = 65535
        self._stream_window = 65535
        self._initial_window = 65535
        self._max_frame = 16384
        self._windows = _thread.allocate_lock()
        self._rest = memoryview(b"")
        """What of the last message the server had no room for."""
        self._closed = False
        self._unread = 0
        self._buffer = bytearray()
        self._partial = bytearray()
        self.ended = False
        """No more messages come, even if `receive` has just given some."""
        self.status = (UNAVAILABLE, "the stream broke")
        outbox.wake = self.pump
        self.pump()

    def fileno(self) -> int:
        return self._socket.fileno()

    def poll(self, wake: int) -> select.poll:
        """Waits for the server or for a byte in `wake`; made once for each."""
        found = self._polls.get(wake)
        if found is None:
            found = self._polls[wake] = _new_poll()
            found.register(self.fileno(), select.POLLIN)
            found.register(wake, select.POLLIN)
        return found

    def close(self) -> None:
        """Called by the reader. Messages that are added to the outbox later are dropped."""
        self.outbox.ended = True
        self.outbox.wake = _drop
        self._socket.close()

    # ------------------------------------------------------------------------------------------ sending

    def pending(self) -> bool:
        """Something could be sent."""
        return bool(self._rest and self._room() > 0) or (not self._rest and self.outbox.pending())

    def pump(self) -> None:
        """Sends what there is to say unless another thread is at it, which then looks again. From any thread."""
        outbox, sending = self.outbox, self._sending
        while sending.acquire(False):
            try:
                outbox.idle = False
                closing = outbox.closing
                while self._send_rest():
                    if (message := outbox.take()) is not None:
                        self._rest = memoryview(b"\x00%b%b" % (len(message).to_bytes(4, "big"), message))
                    elif (parts := outbox.take_long()) is not None:
                        self._send_long(parts)
                    else:
                        break
                if closing and not self._rest and not self._closed:
                    self._closed = True
                    self._write(_frame(_DATA, _END_STREAM, _STREAM))
            except OSError:
                return  # the reader sees the end of the stream and handles it
            finally:
                outbox.idle = True
                sending.release()
            # A thread that queued something before it saw `idle` has not woken this one: check again.
            if not (self.pending() or (outbox.closing and not self._closed and not self._rest)):
                return

    def _send_rest(self) -> bool:
        """As much as the server has room for; whether that was everything. Our server has room for 2 GiB."""
        while self._rest and (room := min(self._room(), self._max_frame)) > 0:
            part, self._rest = self._rest[:room], self._rest[room:]
            # Only the sender subtracts and only the reader adds, but neither operation is atomic.
            with self._windows:
                self._window -= len(part)
                self._stream_window -= len(part)
            self._write(_frame(_DATA, 0, _STREAM, part))
        return not self._rest

    def _send_long(self, parts: tuple[bytes, ...]) -> None:
        """A message in parts, in a frame of its own behind its head: nothing of it is copied on either side."""
        size = sum(map(len, parts))
        head = b"\x00" + size.to_bytes(4, "big")
        if size > self._max_frame or size + len(head) > self._room():
            self._rest = memoryview(b"".join((head, *parts)))
            return
        with self._windows:
            self._window -= size + len(head)
            self._stream_window -= size + len(head)
        with self._writing:
            self._socket.sendall(_frame(_DATA, 0, _STREAM, head) + _frame_head(_DATA, 0, _STREAM, size), _NO_SIGNAL)
            for part in parts:
                self._socket.sendall(part, _NO_SIGNAL)

    def _room(self) -> int:
        return min(self._window, self._stream_window)

    def _write(self, data: bytes) -> None:
        """Whole frames only: the reader answers pings and settings in between."""
        with self._writing:
            self._socket.sendall(data, _NO_SIGNAL)

    # ---------------------------------------------------------------------------------------- receiving

    def receive(self) -> list[bytes] | None:
        """The messages that came with one read (maybe none); None when there will be no more. One thread at a time."""
        if self.ended:
            return None
        try:
            data = self._socket.recv(_READ)
            return self._parse(data) if data else None
        except OSError as error:
            self.status = (UNAVAILABLE, error.strerror or str(error))
            return None

    def _parse(self, data: bytes) -> list[bytes] | None:
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        at, size = 0, len(buffer)
        while size - at >= 9:
            length = int.from_bytes(buffer[at : at + 3], "big")
            if size - at - 9 < length:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            payload = bytes(buffer[at + 9 : at + 9 + length])
            at += 9 + length
            if kind == _DATA:
                messages += self._messages(payload, flags)
            elif self._control(kind, flags, payload, stream):
                self.ended = True
                return messages or None
        del buffer[:at]
        return messages

    def _messages(self, payload: bytes, flags: int) -> Iterator[bytes]:
        self._account(len(payload))
        payload = _unpadded(payload, flags)
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
            payload = _unpadded(payload, flags)
            self.status = _status(payload[5:] if flags & _PRIORITY else payload)
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
        with self._windows:
            if stream:
                self._stream_window += size
            else:
                self._window += size
        if self._rest:
            self.pump()


def _unpadded(payload: bytes, flags: int) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload


def _drop() -> None:
    """Dropped: the stream has ended."""


def _status(block: bytes) -> tuple[int, str]:
    """Status and text of the trailers. No block refers to another: we allow no dynamic table."""
    from hpack import Decoder, HPACKError

    try:
        fields = dict(Decoder().decode(block, raw=True))
    except HPACKError as error:
        return UNKNOWN, f"unreadable trailers: {error}"
    code = fields.get(b"grpc-status", b"")
    return (int(code) if code.isdigit() else UNKNOWN), unquote(
        fields.get(b"grpc-message", b"").decode(errors="replace")
    )
