"""Long chunks by reference, through a real server: in order, as many as are released, and freed whatever happens."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api
from snakepit_cli.client.segments import read
from snakepit_cli.wire import front
from tests.harness import wait
from tests.harness.pit import Pit

ADAPTER = """
import asyncio, os
import numpy as np
from snakepit_bridge import BaseAdapter, command

class Mixed(BaseAdapter):
    @command
    def mixed(self, sizes: list):
        for number, size in enumerate(sizes):
            if number % 3 == 2:
                yield np.full(size, number % 100, "uint8")
            else:
                yield str(number) + "x" * size

    @command
    async def amixed(self, sizes: list):
        for chunk in self.mixed(sizes):
            yield chunk

    @command
    def counted(self, n: int, size: int, path: str):
        for number in range(n):
            with open(path + "~", "w") as out:
                out.write(str(number + 1))
            os.replace(path + "~", path)
            yield "x" * size

    @command
    def deadly(self, size: int):
        yield "x" * size
        os.kill(os.getpid(), 9)

    @command
    def ping(self):
        return "pong"
"""
MIB = 1 << 20
SIZES = [1, 10, 300_000, 200_000, 5, 6, 131_071, 131_072, 131_073, 2, 3, 4, 3_000_000, 1, 6_000_000, 0, 1, 2] * 3


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        (one.work / "mixed.py").write_text(ADAPTER)
        one.run("up", "--adapter", f"{one.work / 'mixed.py'}:Mixed", "--size", "1")
        yield one


@pytest.fixture
def connection(pit: Pit) -> Iterator[api.Connection]:
    with pit.connection() as one:
        yield one
    with pit.connection() as one:
        assert one.call("ping") == b'"pong"', "the worker goes on"


def begin(connection: api.Connection, command: str, **arguments: object) -> int:
    return connection.send_call(
        command, [json.dumps(arguments).encode()], {"stream": True, "references": True, "binary": True}
    )


def referred(connection: api.Connection, request: int) -> dict[str, object]:
    kind, body = connection.next_about(request)
    assert kind == front.CHUNKS_REF
    found: dict[str, object] = json.loads(body)
    return found


def release(connection: api.Connection, path: object) -> None:
    connection.sock.sendall(front.frame(front.RELEASE, 0, str(path).encode()))


@pytest.mark.parametrize("command", ["mixed", "amixed"])
@pytest.mark.parametrize("kept", [False, True], ids=["dropped", "kept"])
def test_short_and_long_chunks_stay_in_order(connection: api.Connection, command: str, *, kept: bool) -> None:
    keep = []
    for number, chunk in enumerate(connection.stream_values(command, {"sizes": SIZES})):
        if number % 3 == 2:
            assert chunk.shape == (SIZES[number],)
            assert (chunk == number % 100).all()
        else:
            assert chunk == str(number) + "x" * SIZES[number]
        if kept:
            keep.append((number, chunk))
    assert number == len(SIZES) - 1
    assert all((chunk == at % 100).all() for at, chunk in keep if isinstance(chunk, np.ndarray))


def test_on_the_command_line(pit: Pit) -> None:
    lines = pit.run("stream", "mixed", f"sizes:={json.dumps(SIZES)}").stdout.splitlines()
    assert [json.loads(line)[: len(str(number))] for number, line in enumerate(lines) if number % 3 != 2] == [
        str(number) for number in range(len(SIZES)) if number % 3 != 2
    ]
    raw = pit.run("stream", "mixed", f"sizes:={json.dumps([5, 200_000])}", "--raw").stdout
    assert raw == f"0{'x' * 5}\n1{'x' * 200_000}\n"


@pytest.mark.parametrize(("size", "kind"), [(100_000, front.CHUNKS), (200_000, front.CHUNKS_REF)])
def test_only_long_chunks_are_referred_to(connection: api.Connection, size: int, kind: int) -> None:
    request = begin(connection, "mixed", sizes=[size])
    assert connection.next_about(request)[0] == kind
    plain = connection.send_call("mixed", [b'{"sizes":[%d]}' % size], {"stream": True})
    connection.cancel(request)
    while (found := connection.next_about(plain))[0] != front.RESULT:
        assert found[0] == front.CHUNKS, "nobody who did not ask for references gets one"


def test_the_worker_waits_until_chunks_are_released(pit: Pit, connection: api.Connection) -> None:
    path = pit.work / "released"
    request = begin(connection, "counted", n=100, size=MIB, path=str(path))
    with pit.connection() as other:
        for _ in range(300):
            other.query("status")
            assert not path.exists() or int(path.read_text()) <= 6, "4 MiB, and the chunk after them"
    for _ in range(100):
        reference = referred(connection, request)
        assert len(read(reference)) == MIB + 3
        release(connection, reference["path"])
    assert connection.next_about(request)[0] == front.RESULT


@pytest.mark.parametrize("way", ["cancelled", "closed"])
def test_nothing_is_left_of_chunks_that_are_not_read(pit: Pit, way: str) -> None:
    path = pit.work / way
    for _ in range(5):  # the worker has room for two chunks: were one left, later ones would come as bytes
        with pit.connection() as connection:
            request = begin(connection, "counted", n=100, size=30 * MIB, path=str(path))
            first = referred(connection, request)["path"]
            if way == "cancelled":
                connection.cancel(request)
                with pytest.raises(PitError, match="cancelled"):
                    list(connection._answers(request))
                release(connection, first)


def test_chunks_that_the_library_has_given_up_are_released(pit: Pit, connection: api.Connection) -> None:
    for number in range(20):
        path = pit.work / f"dropped{number}"
        request = begin(connection, "counted", n=100, size=3 * MIB, path=str(path))
        wait.until(lambda path=path: path.exists() and path.read_text() == "2", "the first chunk to be sent")
        connection.cancel(request)
        assert connection.call("ping") == b'"pong"'  # what came about the stream came before
    request = begin(connection, "counted", n=1, size=30 * MIB, path=str(path))
    assert len(read(referred(connection, request))) == 30 * MIB + 3


def test_a_worker_dies_and_its_chunk_can_be_read(pit: Pit, connection: api.Connection) -> None:
    request = begin(connection, "deadly", size=MIB)
    reference = referred(connection, request)
    with pytest.raises(PitError) as raised:
        list(connection._answers(request))
    assert raised.value.kind == "worker_crashed"
    assert len(read(reference)) == MIB + 3
    release(connection, reference["path"])
    wait.until(lambda: not os.path.exists(str(reference["path"])), "the segment to be removed")


def test_a_segment_that_has_gone_is_named(pit: Pit, connection: api.Connection) -> None:
    found = connection.stream_values("counted", {"n": 3, "size": 5 * MIB, "path": str(pit.work / "gone")})
    next(found)
    (worker,) = api.workers(connection)
    wait.until(lambda: (pit.work / "gone").read_text() == "2", "the second chunk")
    os.kill(worker["pid"], signal.SIGKILL)
    with pytest.raises(PitError) as raised:
        list(found)
    assert raised.value.kind in {"worker_crashed", "server_restarted"}
    pit.until_pool("the worker to be replaced", "default", ready=1)


def test_without_shared_memory_chunks_are_bytes() -> None:
    with Pit("[server]\nshared_memory_bytes = 0\n") as pit:
        (pit.work / "mixed.py").write_text(ADAPTER)
        pit.run("up", "--adapter", f"{pit.work / 'mixed.py'}:Mixed", "--size", "1")
        with pit.connection() as connection:
            request = begin(connection, "mixed", sizes=[3_000_000])
            assert connection.next_about(request)[0] == front.CHUNKS
            assert len(list(connection.stream_values("mixed", {"sizes": SIZES}))) == len(SIZES)
