"""`map` against a server that is a thread: what travels by reference, and what becomes of it when that fails."""

from __future__ import annotations

import json
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.client.map.descriptors import widen
from snakepit_cli.client.map.run import Plan, Run
from snakepit_cli.wire import front
from tests.unit.client.fake import Frame, Peer

WORKERS = 2
COUNT = 30_000
LINES = b"".join(b'"%0100d"\n' % number for number in range(COUNT))

Reply = Callable[["Server", Peer, int, bytes], None]
"""Of a block that came as a reference: to the request, with these lines."""


class Server:
    """Answers each line with itself. `refer` decides what becomes of blocks by reference."""

    def __init__(self, folder: Path, refer: Reply | None = None, segments: Any = ()) -> None:
        self.folder = folder
        self.refer = refer or Server.echo
        self.facts = segments
        self.paths: list[str] = []
        """Of the references that came."""
        self.sent_as_bytes = 0
        """Bytes of blocks that came since the latest reference."""
        self.connections = 0
        self._threads: list[threading.Thread] = []

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.connections += 1
        frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        peer = Peer(ours)
        for work in (self._read, self._serve):
            self._threads.append(threading.Thread(target=work, args=(peer, frames)))
            self._threads[-1].start()
        return theirs

    def join(self) -> None:
        for thread in self._threads:
            thread.join(10)

    @staticmethod
    def _read(peer: Peer, frames: queue.SimpleQueue[Frame | None]) -> None:
        """A server reads while it writes, or both ends would wait for each other."""
        while frame := peer.read():
            frames.put(frame)
        frames.put(None)

    def _serve(self, peer: Peer, frames: queue.SimpleQueue[Frame | None]) -> None:
        try:
            while frame := frames.get():
                self._handle(peer, *frame)
        except OSError:
            pass
        finally:
            peer.sock.shutdown(socket.SHUT_RDWR)
            peer.sock.close()

    def _handle(self, peer: Peer, kind: int, request: int, body: bytes) -> None:
        if kind == front.QUERY:
            assert json.loads(body) == {"op": "segments", "bytes": 0}
            peer.send(front.RESULT, request, self.facts if self.facts != () else self._room())
            return
        header, _, rest = body.partition(b"\n")
        lines = rest.partition(b"\n")[2]
        if (ref := json.loads(header).get("items_ref")) is None:
            self.sent_as_bytes += len(lines)
            self.echo(peer, request, lines)
            return
        with Path(ref["path"]).open("rb") as file:
            assert (os.fstat(file.fileno()).st_dev, os.fstat(file.fileno()).st_ino) == (ref["device"], ref["inode"])
            file.seek(ref["offset"])
            lines = file.read(ref["length"])
        self.paths.append(ref["path"])
        self.sent_as_bytes = 0
        self.refer(self, peer, request, lines)

    def _room(self) -> dict[str, Any]:
        room = 64 << 20
        return {"folder": str(self.folder), "name": f"c-{self.connections}-", "bytes": room, "kept": room,
                "longest": 32 << 20}  # fmt: skip

    def echo(self, peer: Peer, request: int, lines: bytes) -> None:
        peer.send(front.ANSWERS, request, struct.pack(">I", 0) + lines)
        peer.send(front.RESULT, request, b"0.000001")


@pytest.fixture
def pipe() -> Iterator[int]:
    """Its end to read, with all lines to come."""
    source, end = os.pipe()
    widen(source)

    def feed() -> None:
        with open(end, "wb") as file:
            file.write(LINES)

    feeder = threading.Thread(target=feed)
    feeder.start()
    yield source
    os.close(source)
    feeder.join(10)


def ran(server: Server, source: int, retries: int = 0) -> bytes:
    out = bytearray()
    try:
        Run(Plan("echo", b"{}", retries=retries), source, WORKERS, out.extend).run(server.connect, lambda _: None)
    finally:
        server.join()
    return bytes(out)


def test_blocks_of_a_pipe_are_lent_in_a_few_segments(pipe: int, tmp_path: Path) -> None:
    server = Server(tmp_path)
    assert ran(server, pipe) == LINES
    assert len(server.paths) > WORKERS + 1
    assert len(set(server.paths)) <= WORKERS + 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_referred_to_itself(tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.write_bytes(LINES)
    server = Server(tmp_path)
    with source.open("rb") as file:
        assert ran(server, file.fileno()) == LINES
    assert set(server.paths) == {str(source)}


def test_workers_that_take_no_references_get_bytes(pipe: int, tmp_path: Path) -> None:
    def refuse(server: Server, peer: Peer, request: int, _: bytes) -> None:
        if len(server.paths) > 20:
            raise OSError
        peer.send(front.ERROR, request, {"kind": "reference_failed", "message": "no"})

    server = Server(tmp_path, refuse)
    assert ran(server, pipe) == LINES
    assert 1 <= len(server.paths) <= WORKERS + 1
    assert server.sent_as_bytes > len(LINES) // 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("facts", [None, {"folder": "/nowhere", "name": "c-", "bytes": 0, "kept": 0, "longest": 1}])
def test_without_shared_memory_blocks_are_bytes(pipe: int, tmp_path: Path, facts: Any) -> None:
    server = Server(tmp_path, segments=facts)
    assert ran(server, pipe) == LINES
    assert server.paths == []


def test_a_block_whose_worker_died_is_run_again(pipe: int, tmp_path: Path) -> None:
    """What it had answered is not; and nothing is written where the dead one may have read."""
    died: list[str] = []

    def die(server: Server, peer: Peer, request: int, lines: bytes) -> None:
        if len(died) == 3:
            server.echo(peer, request, lines)
            return
        path = server.paths[-1]
        assert path not in died
        died.append(path)
        peer.send(front.ANSWERS, request, struct.pack(">I", 0) + b"".join(lines.splitlines(keepends=True)[:5]))
        peer.send(front.ERROR, request, {"kind": "worker_crashed", "message": "died"})

    server = Server(tmp_path, die)
    assert ran(server, pipe, retries=3) == LINES
    assert len(died) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_lost_while_blocks_are_lent(pipe: int, tmp_path: Path) -> None:
    def hang_up(server: Server, peer: Peer, request: int, lines: bytes) -> None:
        if server.connections == 1:
            raise OSError
        server.echo(peer, request, lines)

    server = Server(tmp_path, hang_up)
    assert ran(server, pipe) == LINES
    assert server.connections == 2
    assert {os.path.basename(path)[:4] for path in server.paths} == {"c-1-", "c-2-"}
    assert list(tmp_path.iterdir()) == []


def test_answers_that_are_lost_with_their_server_come_from_the_next(pipe: int, tmp_path: Path) -> None:
    """A server that is started anew removes the segments of the one before."""

    def lose(server: Server, peer: Peer, request: int, lines: bytes) -> None:
        if server.connections > 1:
            server.echo(peer, request, lines)
            return
        gone = {"path": str(tmp_path / "gone"), "device": 1, "inode": 1, "offset": 0, "length": len(lines)}
        body = front.answers_ref_body(lines.count(b"\n"), (), json.dumps(gone).encode())
        peer.send(front.ANSWERS_REF, request, body)

    server = Server(tmp_path, lose)
    assert ran(server, pipe) == LINES
    assert server.connections == 2
