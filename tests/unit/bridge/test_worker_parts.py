"""A real worker reads arguments with parts, and answers with parts whoever takes them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.binary import pack, unpack
from snakepit_bridge.parts import ARROW, Binary, Writer, array_of, fill, table_of

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Attached, Gateway

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
ADAPTER = Path(__file__).with_name("adapters") / "arrays.py"
Kind = pb.Failure.Kind


@pytest.fixture
def arrays(start: Start, gateway: Gateway) -> Attached:
    start(f"{ADAPTER}:Arrays")
    return gateway.next()


def message(**values: Any) -> bytes:
    parts: list[Any] = []
    text = json.dumps(values, default=Writer(repr, parts).take, separators=(",", ":")).encode()
    return b"".join(pack(text, parts))


def read(answer: bytes) -> Any:
    if answer[:1] != b"\0":
        return json.loads(answer)
    text, parts = unpack(answer)

    def make(place: Any, part: memoryview) -> Any:
        return array_of(place, part) if place.dtype else (place.type, bytes(part))

    return fill(json.loads(bytes(text)), parts, make)


def value(worker: Attached, command: str, **values: Any) -> Any:
    """The answer when the caller takes parts."""
    return read(worker.value(command, message(**values), takes_parts=True))


def test_arrays_and_bytes_come_as_such(arrays: Attached) -> None:
    given = {"a": np.arange(3.0), "b": b"xy", "c": np.zeros((2, 2), "uint8"), "d": [1], "e": np.float16([1])}
    assert read(arrays.value("kinds", message(**given))) == {
        "a": ["ndarray", "float64", 3], "b": ["bytes", "", 2], "c": ["ndarray", "uint8", 2], "d": ["list", "", 1],
        "e": ["ndarray", "float16", 1],
    }  # fmt: skip


def test_and_go_as_such_when_the_caller_takes_them(arrays: Attached) -> None:
    given = np.arange(6, dtype="int32").reshape(2, 3)
    for command in ("echo", "soon"):
        found = value(arrays, command, x={"array": given, "bytes": [b"xy"], "text": "é"})
        found = found["got"] if command == "soon" else found
        assert found["array"].dtype == np.int32
        assert np.array_equal(found["array"], given)
        assert (found["bytes"], found["text"]) == ([("", b"xy")], "é")


def test_others_get_what_they_always_got(arrays: Attached) -> None:
    args = message(x={"array": np.arange(3), "bytes": b"xy"})
    assert arrays.value("echo", args) == b'{"array":[0,1,2],"bytes":"eHk="}'
    assert arrays.value("picture", message(x=b"xy")) == b'"eXg="'
    assert arrays.value("echo", b'{"x":[1,null]}', takes_parts=True) == b"[1,null]"


def test_chunks_of_a_stream_are_json(arrays: Attached) -> None:
    call = arrays.call("same_array", b'{"n":2}', stream=True, takes_parts=True)
    assert arrays.result(call).value == b"null"
    assert arrays.lines[call] == b"[1.0,1.0]\n[2.0,2.0]\n"


def test_collected_chunks_may_be_binary(arrays: Attached) -> None:
    found = value(arrays, "same_array", n=3)
    assert [one.tolist() for one in found] == [[1, 1], [2, 2], [3, 3]], "each as it was when it was yielded"
    assert value(arrays, "later", n=2) == [("", b"0"), ("", b"1")]
    assert arrays.value("later", b'{"n":2}') == b'["MA==","MQ=="]'


def test_the_annotation_says_how_a_part_comes(arrays: Attached) -> None:
    assert value(arrays, "total", x=np.arange(4)) == 6
    assert value(arrays, "listed", x=np.float32([1, 2])) == ["list", [1.0, 2.0]]
    assert value(arrays, "view", x=b"abc") == ["memoryview", True, ("", b"abc")]
    assert value(arrays, "changeable", x=b"abc") == "bytearray"
    assert value(arrays, "picture", x=Binary(b"abc", "image/png")) == ("image/png", b"cba")
    assert value(arrays, "picture", x=b"abc") == ("", b"cba")


def test_the_bytes_of_an_npy_file_are_an_array(arrays: Attached) -> None:
    file = io.BytesIO()
    np.save(file, np.arange(5))
    assert value(arrays, "total", x=file.getvalue()) == 10
    file = io.BytesIO()
    np.save(file, np.array([{}]), allow_pickle=True)
    for wrong in (file.getvalue(), b"GIF"):
        failure = arrays.failure("total", message(x=wrong))
        assert (failure.kind, "no array" in failure.message) == (Kind.INVALID_ARGUMENTS, True)


def test_arrow_tables(arrays: Attached) -> None:
    kind, data = value(arrays, "table", x=pa.table({"a": [1, 2]}))
    assert kind == ARROW
    assert table_of(memoryview(data)).to_pydict() == {"a": [1, 2], "double": [2, 4]}
    assert value(arrays, "batch", x=pa.table({"a": [1, 2]})) == 2
    assert value(arrays, "batch", x=pa.table({"a": pa.array([], "int32")})) == 0
    failure = arrays.failure("table", message(x=b"no"))
    assert (failure.kind, "no Arrow stream" in failure.message) == (Kind.INVALID_ARGUMENTS, True)


@pytest.mark.parametrize("given", [b"abc", np.arange(3)], ids=["bytes", "array"])
def test_a_part_that_does_not_fit_is_refused(arrays: Attached, given: Any) -> None:
    failure = arrays.failure("text", message(x=given))
    assert (failure.kind, failure.message.startswith("`text`: `x` must be str")) == (Kind.INVALID_ARGUMENTS, True)


@pytest.mark.parametrize("args", [b"\0", b"\0SPB" + bytes(8), message(x=b"abc")[:-1], message(x=b"a") + b"\0"])
def test_a_message_that_is_none_is_refused(arrays: Attached, args: bytes) -> None:
    if args.endswith(b"a\0"):
        assert value(arrays, "echo", x=1) == 1  # bytes after the last part mean nothing
        return
    assert arrays.failure("echo", args).kind == Kind.INVALID_ARGUMENTS


def test_arguments_with_parts_are_an_object(arrays: Attached) -> None:
    text = b"".join(pack(b'[{"$binary":0}]', [b"x"]))
    assert "must be a JSON object" in arrays.failure("echo", text).message


def test_what_cannot_be_sent_is_refused(arrays: Attached) -> None:
    failure = arrays.failure("own_key", takes_parts=True)
    assert (failure.kind, "`$binary`" in failure.message) == (Kind.INVALID_RESULT, True)
    assert arrays.value("own_key") == b'["eA==",{"$binary":0}]'
    gigantic = arrays.failure("echo", message(x=bytes(64 << 20)), takes_parts=True)
    assert (gigantic.kind, "at most" in gigantic.message) == (Kind.INVALID_RESULT, True)
