"""Python values as arguments and results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api, values
from snakepit_cli.client.connect.find import connect
from snakepit_cli.wire import front, parts
from snakepit_cli.wire.parts import Binary
from tests.unit.client.fake import Fake, Peer


@pytest.fixture
def connection(fake: Fake) -> Iterator[api.Connection]:
    with api.Connection(connect("default")) as one:
        yield one


def test_what_is_given_comes_back(connection: api.Connection) -> None:
    """The peer echoes the arguments as they came."""
    array = np.arange(6, dtype="float32").reshape(2, 3)
    given = {"a": array, "b": [b"xy", {"c": bytearray(b"z")}], "d": "é", "e": None, "f": np.float64(0.5)}
    found = connection.call_value("echo", given)
    assert (found["a"].dtype, found["a"].tolist()) == (np.float32, array.tolist())
    assert not found["a"].flags.writeable
    assert {**found, "a": 0} == {"a": 0, "b": [b"xy", {"c": b"z"}], "d": "é", "e": None, "f": 0.5}
    assert connection.call_value("echo") == {}
    assert connection.call("echo", b'{"a":1}') == b'{"a":1}'


def test_json_stays_json(fake: Fake, connection: api.Connection) -> None:
    assert values.encode({"a": [1, "é"]}) == ['{"a":[1,"é"]}'.encode()]
    assert connection.call_value("echo", {"$binary": 0}) == {"$binary": 0}


def test_nothing_binary_is_copied() -> None:
    array = np.arange(1000.0)
    buffers = values.encode({"a": array})
    assert np.shares_memory(np.frombuffer(buffers[-1], "u1"), array)
    body = b"".join(buffers)
    assert np.shares_memory(values.decode(body)["a"], np.frombuffer(body, "u1"))


def test_arrow_tables() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"a": [1, 2]})
    assert values.decode(b"".join(values.encode({"x": table})))["x"] == table
    assert values.decode(b"".join(values.encode({"x": Binary(b"abc", "image/png")})))["x"] == b"abc"


def circle() -> Any:
    one: list[Any] = []
    one.append(one)
    return one


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"a": 1, "b": [object()]}, "`b` cannot be sent: object has no JSON form"),
        ({"a": float("nan")}, "`a` cannot be sent: Out of range"),
        ({"a": circle()}, "`a` cannot be sent: Circular"),
        ({"a": "\ud800"}, "half of a surrogate pair"),
        ({"a": np.array([object()])}, "`a` cannot be sent: ndarray has no JSON form"),
        ({"a": {"$binary": 1}, "b": b"x"}, "the arguments: an object has the key `$binary`"),
    ],
)
def test_what_cannot_be_sent_is_named(arguments: Any, said: str) -> None:
    with pytest.raises(PitError) as raised:
        values.encode(arguments)
    assert raised.value.kind == "invalid_arguments"
    assert said in raised.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"\0", b"\0SPB" + bytes(8), b"\xff"])
def test_a_result_that_is_none_is_named(body: bytes) -> None:
    with pytest.raises(PitError) as raised:
        values.decode(body)
    assert raised.value.kind == "invalid_result"


def stream(fake: Fake, *blocks: bytes) -> None:
    """`give` answers with these chunks."""

    def give(peer: Peer, request: int, *_: object) -> None:
        for block in blocks:
            peer.send(front.CHUNKS, request, block)
        peer.send(front.RESULT, request, b"null")

    fake.answers["give"] = give


def test_chunks_of_a_stream(fake: Fake, connection: api.Connection) -> None:
    stream(fake, b'1\n{"a":2}\n', b"".join([*values.encode({"x": np.arange(3)}), b"\n"]), b"3\n")
    first, second, third, last = connection.stream_values("give", {"y": b"z"}, pool="p")
    assert (first, second, third["x"].tolist(), last) == (1, {"a": 2}, [0, 1, 2], 3)
    header, arguments = fake.calls[0]
    assert (header["stream"], header["binary"], header["pool"]) == (True, True, "p")
    assert values.decode(arguments) == {"y": b"z"}


@pytest.mark.parametrize("chunk", [b"\0SPB\n", b"\0SPB" + bytes(8) + b"\n", b"{\n"])
def test_a_chunk_that_lies_ends_the_stream(fake: Fake, connection: api.Connection, chunk: bytes) -> None:
    fake.answers["give"] = lambda peer, request, *_: peer.send(front.CHUNKS, request, chunk)
    with pytest.raises(PitError, match="a chunk cannot be read: ") as raised:
        list(connection.stream_values("give"))
    assert raised.value.kind == "invalid_result"
    assert fake.cancelled.wait(10)
    assert connection.call_value("echo", {"a": 1}) == {"a": 1}


def test_the_header_asks_for_parts(fake: Fake, connection: api.Connection) -> None:
    headers: list[Any] = []

    def remember(peer: Any, request: int, header: Any, args: bytes) -> None:
        headers.append(header)
        peer.send(ord("R"), request, args)

    fake.answers["remember"] = remember
    connection.call_value("remember", {"a": b"x"}, pool="p", timeout=5)
    connection.call("remember")
    assert [(one.get("binary"), one.get("pool")) for one in headers] == [(True, "p"), (None, None)]
    assert json.dumps(headers[0])


def test_a_module_that_is_missing_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            looked.append(name)

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    assert parts.imported("no_such_module") is None
    assert parts.imported("no_such_module") is None
    assert looked == ["no_such_module"]
    monkeypatch.setitem(sys.modules, "no_such_module", parts)  # it has been made meanwhile
    assert parts.imported("no_such_module") is parts
