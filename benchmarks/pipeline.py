"""Many calls outstanding on one connection of the front protocol: frames written in batches, answers counted."""

from __future__ import annotations

import os
import socket
import time

import snakepit_cli
from benchmarks.processes import BenchmarkError
from snakepit_cli.wire import front

_RECEIVE = 1 << 18


class Pipeline:
    """Owns nothing: the socket stays open and may be used again. One at a time on a socket."""

    def __init__(self, sock: socket.socket, command: str, pool: str) -> None:
        self._sock = sock
        self._body = front.call_body(command, b"{}", version=snakepit_cli.__version__, cwd=os.getcwd(), pool=pool)
        self._rest = b""

    def rate(self, calls: int, outstanding: int) -> float:
        """Calls per second with that many outstanding at any time. Raises BenchmarkError."""
        started = time.perf_counter()
        sent = answered = 0
        while answered < calls:
            room = min(outstanding - (sent - answered), calls - sent)
            if room:
                self._sock.sendall(b"".join(front.frame(front.CALL, sent + i, self._body) for i in range(room)))
                sent += room
            answered += self._answers()
        return calls / (time.perf_counter() - started)

    def _answers(self) -> int:
        """Waits for more bytes; how many calls they end. Raises BenchmarkError."""
        received = self._sock.recv(_RECEIVE)
        if not received:
            raise BenchmarkError("the server closed the connection")
        data, at, ended = self._rest + received, 0, 0
        while len(data) - at >= front.HEADER:
            after = at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
            if after > len(data):
                break
            if data[at] != front.RESULT:
                raise BenchmarkError(f"a call failed: {data[at + front.HEADER : after]!r}")
            ended += 1
            at = after
        self._rest = data[at:]
        return ended
