"""Chunks with parts, through a real server: whole, in order, and bounded however slow their reader is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api
from snakepit_cli.wire.binary import pack
from tests.harness import procs, wait
from tests.harness.pit import Pit

ADAPTER = """
import asyncio
import os
import numpy as np
from snakepit_bridge import Binary, command, BaseAdapter
from snakepit_bridge.runtime import answers

class Frames(BaseAdapter):
    @command
    def frames(self, n: int, size: int = 1000):
        picture = np.zeros(size, "float32")
        for number in range(n):
            picture += 1
            yield {"number": number, "picture": picture}
            yield {"seen": number}

    @command
    async def aframes(self, n: int, size: int = 1000):
        for chunk in self.frames(n, size):
            await asyncio.sleep(0)
            yield chunk

    @command
    def pieces(self):
        yield b"ab"
        yield Binary(b"cd", "text/plain")
        yield memoryview(b"ef")

    @command
    def counted(self, n: int, size: int, path: str):
        for number in range(n):
            with open(path + "~", "w") as out:
                out.write(str(number + 1))
            os.replace(path + "~", path)  # a reader finds a whole number
            yield np.full(size, number, "uint8")

    @command
    def lies(self, wrong: str):
        told, answers.message = answers.message, lambda *_: [bytes.fromhex(wrong)]
        try:
            yield 1
            yield b"x"
        finally:
            answers.message = told

    @command
    def ping(self):
        return "pong"
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        (one.work / "frames.py").write_text(ADAPTER)
        one.run("up", "--adapter", f"{one.work / 'frames.py'}:Frames", "--size", "1")
        yield one


@pytest.fixture
def connection(pit: Pit) -> Iterator[api.Connection]:
    with pit.connection() as one:
        yield one
        assert one.call("ping") == b'"pong"', "the worker goes on"


@pytest.mark.parametrize("command", ["frames", "aframes"])
@pytest.mark.parametrize("size", [3, 1000, 500_000])
def test_arrays_come_whole_and_in_order(connection: api.Connection, command: str, size: int) -> None:
    found = list(connection.stream_values(command, {"n": 5, "size": size}))
    assert [one.get("number", one.get("seen")) for one in found] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    for number, one in enumerate(found[::2]):
        assert (one["picture"].dtype, one["picture"].shape) == (np.float32, (size,))
        assert (one["picture"] == number + 1).all()
        assert not one["picture"].flags.writeable


def test_whoever_takes_json_gets_json(connection: api.Connection) -> None:
    assert b"".join(connection.stream("pieces")) == b'"YWI="\n"Y2Q="\n"ZWY="\n'
    assert b"".join(connection.stream("frames", b'{"n":1,"size":2}')) == (
        b'{"number":0,"picture":[1.0,1.0]}\n{"seen":0}\n'
    )
    assert list(connection.stream_values("pieces")) == [b"ab", b"cd", b"ef"]


def test_on_the_command_line(pit: Pit) -> None:
    lines = pit.run("stream", "frames", "n:=1", "size:=4000").stdout.splitlines()
    picture = json.loads(lines[0])["picture"]
    assert ({**picture, "base64": ""}, lines[1:]) == (
        {"dtype": "float32", "shape": [4000], "base64": ""}, ['{"seen":0}'],
    )  # fmt: skip
    assert pit.run("stream", "pieces").stdout == '"YWI="\n{"type":"text/plain","base64":"Y2Q="}\n"ZWY="\n'
    assert pit.run("stream", "pieces", "--raw").stdout == "abcdef"


def test_a_detached_stream_is_json(pit: Pit) -> None:
    name = pit.run("stream", "pieces", "--detach").stdout.strip()
    assert pit.run("tail", name).stdout == '"YWI="\n"Y2Q="\n"ZWY="\n'


TRUE = b"".join(pack(b'{"$binary":0}', [b"abcd"]))
LIES = {
    "no message": TRUE[:4].hex(),
    "cut": TRUE[:-1].hex(),
    "no such part": TRUE.replace(b'":0', b'":1').hex(),
    "shape": b"".join(pack(b'{"$binary":0,"dtype":"int32","shape":[2]}', [b"abcd"])).hex(),
    "pickle": b"".join(pack(b'{"$binary":0,"dtype":"object","shape":[4]}', [b"abcd"])).hex(),
}


@pytest.mark.parametrize("wrong", LIES)
def test_a_chunk_that_lies_is_named(pit: Pit, connection: api.Connection, wrong: str) -> None:
    found = connection.stream_values("lies", {"wrong": LIES[wrong]})
    assert next(found) == 1
    with pytest.raises(PitError, match="a chunk cannot be read: ") as raised:
        next(found)
    assert raised.value.kind == "invalid_result"
    done = pit.run("stream", "lies", f"wrong={LIES[wrong]}", check=False)
    assert (done.returncode, done.stdout) == (70, "1\n")
    assert "a chunk cannot be read: " in done.stderr


def test_a_chunk_that_is_too_large_is_named(connection: api.Connection) -> None:
    found = connection.stream_values("frames", {"n": 1, "size": 9_000_000})
    with pytest.raises(PitError, match=r"`frames` has a chunk of 36000\d+ bytes; at most 33554368") as raised:
        next(found)
    assert raised.value.kind == "invalid_result"


def test_a_stream_is_cancelled_in_the_middle_of_a_chunk(pit: Pit, connection: api.Connection) -> None:
    path = pit.work / "cancelled"
    arguments = json.dumps({"n": 100, "size": 20_000_000, "path": str(path)}).encode()
    request = connection.send_call("counted", [arguments], {"stream": True, "binary": True})
    wait.until(path.exists, "the first chunk")
    connection.cancel(request)
    with pytest.raises(PitError) as raised:
        for _ in connection._answers(request):
            pass
    assert raised.value.kind == "cancelled"
    assert int(path.read_text()) < 10


def test_a_client_that_goes_away_in_the_middle_of_a_chunk(pit: Pit, connection: api.Connection) -> None:
    path = pit.work / "gone"
    arguments = json.dumps({"n": 100, "size": 20_000_000, "path": str(path)}).encode()
    with pit.connection() as other:
        other.send_call("counted", [arguments], {"stream": True, "binary": True})
        assert other.sock.recv(1000)
    assert connection.call("ping") == b'"pong"'
    assert int(path.read_text()) < 10


def test_a_slow_reader_holds_the_stream_back(pit: Pit, connection: api.Connection) -> None:
    server, path, size = pit.status()["server"]["pid"], pit.work / "count", 1 << 20
    before = procs.rss(server)
    found = connection.stream_values("counted", {"n": 200, "size": size, "path": str(path)})
    assert next(found)[0] == 0
    with pit.connection() as other:
        for _ in range(300):  # as long as the server takes for this, a stream that nothing holds back runs on
            other.query("status")
            assert int(path.read_text()) < 40
    assert procs.rss(server) - before < 64 << 20
    assert [int(one[-1]) for one in found] == list(range(1, 200))
