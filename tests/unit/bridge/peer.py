"""A scripted HTTP/2 server with one client, frame by frame."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import NamedTuple

from snakepit_bridge import worker_pb2 as pb

from tests.harness import wait

DATA, HEADERS, _, RST_STREAM, SETTINGS, _, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
INITIAL_WINDOW, MAX_FRAME = 4, 5
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


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


def room(size: int, stream: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def message(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4, "big") + data


def data(payload: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, 1, payload)


class Peer:
    """Listens; once connected, a thread takes in whatever the client says."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._heard = bytearray()
        self.gone = threading.Event()
        """The client has closed the connection."""
        self._connection: socket.socket
        self._thread = threading.Thread(target=self._listen)

    def accept(self) -> None:
        self._connection, _ = self._listener.accept()
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while part := self._connection.recv(1 << 16):
                self._heard += part
        self.gone.set()

    def close(self) -> None:
        self.hang_up()
        self._thread.join()
        self._connection.close()
        self._listener.close()

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def say(self, *frames: bytes) -> None:
        self._connection.sendall(b"".join(frames))

    # ------------------------------------------------------------------------------------------ what was heard

    def frames(self, kind: int | None = None) -> list[Frame]:
        """The whole ones."""
        heard, at, found = bytes(self._heard), len(PREFACE), []
        assert PREFACE.startswith(heard[:at])
        while len(heard) - at >= 9:
            size = int.from_bytes(heard[at : at + 3], "big")
            if len(heard) - at - 9 < size:
                break
            number = int.from_bytes(heard[at + 5 : at + 9], "big")
            found.append(Frame(heard[at + 3], heard[at + 4], number, heard[at + 9 : at + 9 + size]))
            at += 9 + size
        return [one for one in found if kind in (None, one.kind)]

    def body(self) -> bytes:
        """All data."""
        return b"".join(one.payload for one in self.frames(DATA))

    def bytes_of_data(self, size: int) -> bytes:
        """All data, which is `size` bytes: no more comes before more is asked for."""
        wait.until(lambda: len(self.body()) >= size, f"{size} bytes of data")
        assert len(self.body()) == size
        return self.body()

    def messages(self) -> list[pb.FromWorker]:
        """The whole ones."""
        body, at, found = self.body(), 0, []
        while len(body) - at >= 5:
            assert body[at] == 0
            size = int.from_bytes(body[at + 1 : at + 5], "big")
            if len(body) - at - 5 < size:
                break
            found.append(pb.FromWorker.FromString(body[at + 5 : at + 5 + size]))
            at += 5 + size
        return found

    def values(self) -> list[bytes]:
        """Of all results."""
        return [one.value for said in self.messages() for one in said.results]
