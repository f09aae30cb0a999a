"""A server that speaks the front protocol and does what the test tells it: one thread per connection."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakepit_cli import __version__
from snakepit_cli.wire import front

Frame = tuple[int, int, bytes]


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def read(self) -> Frame | None:
        while len(self._buffer) < 9 or len(self._buffer) < 5 + int.from_bytes(self._buffer[1:5], "big"):
            try:
                data = self.sock.recv(1 << 18)
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data
        end = 5 + int.from_bytes(self._buffer[1:5], "big")
        frame = (self._buffer[0], int.from_bytes(self._buffer[5:9], "big"), self._buffer[9:end])
        self._buffer = self._buffer[end:]
        return frame

    def send(self, kind: int, request: int, body: bytes | Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.sock.sendall(front.frame(kind, request, data))


class Fake:
    """`answers` maps a command to a function (peer, id, header, arguments); `queries` an op to a result or function."""

    def __init__(self, folder: Path, listens: Callable[[socket.socket], None] = lambda one: one.listen(64)) -> None:
        """`listens` may have another process do it: for the kernel that process is then the peer."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.path = folder / "front.sock"
        self.calls: list[tuple[dict[str, Any], bytes]] = []
        self.asked: list[dict[str, Any]] = []
        self.cancelled = threading.Event()
        self.seen = threading.Event()
        self.closed = threading.Event()
        self.answers: dict[str, Callable[[Peer, int, dict[str, Any], bytes], None]] = dict(ANSWERS)
        self.queries: dict[str, Any] = {
            "ping": {"version": __version__, "pid": os.getpid(), "warden": os.getpid()},
            "segments": None,  # there is no shared memory
        }
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        listens(self._listener)
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        for peer in self._peers:
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(sock)
            self._peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        with peer.sock:
            while frame := peer.read():
                kind, request, body = frame
                try:
                    self._handle(peer, kind, request, body)
                except OSError:
                    break
        self.closed.set()

    def _handle(self, peer: Peer, kind: int, request: int, body: bytes) -> None:
        if kind == front.CALL:
            line, _, arguments = body.partition(b"\n")
            header = json.loads(line)
            self.calls.append((header, arguments))
            self.seen.set()
            self.answers[header["command"]](peer, request, header, arguments)
        elif kind == front.QUERY:
            query = json.loads(body)
            self.asked.append(query)
            answer = self.queries[query["op"]]
            if callable(answer):
                answer(peer, request, query)
            else:
                peer.send(front.RESULT, request, answer)
        elif kind == front.CANCEL:
            self.cancelled.set()
            if "on_cancel" in self.answers:
                self.answers["on_cancel"](peer, request, {}, b"")


def error(kind: str, message: str, **detail: Any) -> dict[str, Any]:
    from snakepit_cli.base.errors import PitError

    return PitError(kind, message, **detail).as_dict()


def _ping(peer: Peer, request: int, *_: Any) -> None:
    peer.send(front.RESULT, request, b'"pong"')


def _echo(peer: Peer, request: int, _: dict[str, Any], arguments: bytes) -> None:
    peer.send(front.RESULT, request, arguments)


def _count(peer: Peer, request: int, _: dict[str, Any], arguments: bytes) -> None:
    """`n` chunks, `block` of them in a frame."""
    given = json.loads(arguments)
    n, block = given.get("n", 3), given.get("block", 1)
    data = b"".join(
        front.frame(front.CHUNKS, request, b"".join(b'{"i":%d}\n' % i for i in range(at, min(at + block, n))))
        for at in range(0, n, block)
    )
    peer.sock.sendall(data + front.frame(front.RESULT, request, b"null"))


def _fail(peer: Peer, request: int, _: dict[str, Any], arguments: bytes) -> None:
    given = json.loads(arguments)
    kind = given.pop("kind", "command_failed")
    peer.send(front.ERROR, request, error(kind, given.pop("message", "it went wrong"), **given))


def _never(peer: Peer, request: int, *_: Any) -> None:
    pass


def _drop(peer: Peer, request: int, *_: Any) -> None:
    peer.sock.shutdown(socket.SHUT_RDWR)


ANSWERS: dict[str, Callable[[Peer, int, dict[str, Any], bytes], None]] = {
    "ping": _ping, "echo": _echo, "count": _count, "fail": _fail, "never": _never, "drop": _drop,
}  # fmt: skip


if __name__ == "__main__":
    import sys

    Fake(Path(sys.argv[1]))
    threading.Event().wait()
