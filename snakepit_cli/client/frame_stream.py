"""Frames of the server, as they come on a socket."""

from __future__ import annotations

import socket

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire import front

RECEIVE = 1 << 16
"""More would make each read allocate fresh pages: malloc gives such sizes to mmap."""


class FrameStream:
    """Blocks as long as the socket's timeout allows."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""
        self._at = 0

    def _frame(self) -> tuple[int, int, bytes]:
        head = self._take(front.HEADER)
        size = int.from_bytes(head[1:5], "big") - 4
        return head[0], int.from_bytes(head[5:9], "big"), self._take(size)

    def _take(self, size: int) -> bytes:
        got = len(self._buffer) - self._at
        if got < size:
            parts = [self._buffer[self._at :]]
            while got < size:
                parts.append(self._receive())
                got += len(parts[-1])
            self._buffer, self._at = b"".join(parts), 0
        self._at += size
        return self._buffer[self._at - size : self._at]

    def _receive(self) -> bytes:
        try:
            data = self.sock.recv(RECEIVE)
        except TimeoutError:
            raise silent() from None
        except OSError:
            data = b""
        if not data:
            raise PitError("server_restarted", "the connection was lost before the answer came")
        return data


def silent() -> PitError:
    return PitError(
        "unavailable", "the server does not answer", hint="read `snakepit logs server`; end it with `snakepit down`"
    )
