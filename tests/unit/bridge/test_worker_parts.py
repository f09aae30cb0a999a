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


def chunks(worker: Attached, command: str, args: bytes, credit: int = 1 << 30, **more: Any) -> list[Any]:
    """Those of a stream whose reader takes parts."""
    call = worker.call(command, args, stream=True, takes_parts=True, credit=credit, **more)
    result = worker.result(call)
    assert result.value == b"null", result.failure
    found: list[Any] = []
    for block in worker.blocks[call]:
        assert block.endswith(b"\n")
        found += [read(block)] if block[:1] == b"\0" else map(json.loads, block.splitlines())
    return found


def test_chunks_of_a_stream_are_json_for_others(arrays: Attached) -> None:
    call = arrays.call("same_array", b'{"n":2}', stream=True)
    assert arrays.result(call).value == b"null"
    assert arrays.lines[call] == b"[1.0,1.0]\n[2.0,2.0]\n"


def test_chunks_of_a_stream(arrays: Attached) -> None:
    found = chunks(arrays, "same_array", b'{"n":3}')
    assert [(one.dtype, one.tolist()) for one in found] == [(np.float64, [n, n]) for n in (1, 2, 3)], "each as it was"
    assert chunks(arrays, "later", b'{"n":2}') == [("", b"0"), ("", b"1")]


@pytest.mark.parametrize("command", ["mixed", "amixed"])
def test_chunks_with_and_without_parts_keep_their_order(arrays: Attached, command: str) -> None:
    found = chunks(arrays, command, b'{"n":40,"size":10}')
    assert found[0] == {"begun": True}
    assert [one[0] if type(one) is list else one["n"] for one in found[1:]] == list(range(40))
    assert all(one[1].tolist() == [one[0]] * 10 for one in found if type(one) is list)


def test_long_chunks(arrays: Attached) -> None:
    """Each is a message of its own, longer than what is copied into one."""
    found = chunks(arrays, "mixed", b'{"n":12,"size":100000}')
    assert [one[1][-1] for one in found[1:] if type(one) is list] == list(range(0, 12, 3))


def test_without_credit_no_chunk_with_parts_leaves(arrays: Attached) -> None:
    call = arrays.call("same_array", b'{"n":5}', stream=True, takes_parts=True, credit=1)
    arrays.until(lambda: arrays.counts.get(call, 0) == 1)
    size = len(arrays.blocks[call][0])
    arrays.ping()
    arrays.credit(call, size - 1)  # does not even fill the overdraft
    arrays.ping()
    arrays.ping()
    assert arrays.counts[call] == 1
    for count in range(2, 6):
        arrays.credit(call, size if count > 2 else 1)
        arrays.until(lambda count=count: arrays.counts[call] == count)  # type: ignore[misc]
    arrays.credit(call, size)
    arrays.result(call)


def test_a_plain_command_sends_one_chunk(arrays: Attached) -> None:
    for command in ("doubled", "soon"):
        (found,) = chunks(arrays, command, message(x=np.arange(3)))
        assert (found["got"] if command == "soon" else found).dtype == np.int64


def test_a_chunk_that_is_too_long_is_named(arrays: Attached) -> None:
    """The longest message is 1 MiB here."""
    failure = arrays.failure("mixed", b'{"n":1,"size":200000}', stream=True, takes_parts=True)
    assert (failure.kind, "`mixed` has a chunk of 1600" in failure.message) == (Kind.INVALID_RESULT, True)
    failure = arrays.failure("own_keys", stream=True, takes_parts=True)
    assert (failure.kind, "`$binary`" in failure.message) == (Kind.INVALID_RESULT, True)


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
        assert failure.kind == Kind.INVALID_ARGUMENTS
        assert failure.message.startswith("`total`: `x`: must be an array")


def test_arrow_tables(arrays: Attached) -> None:
    kind, data = value(arrays, "table", x=pa.table({"a": [1, 2]}))
    assert kind == ARROW
    assert table_of(memoryview(data)).to_pydict() == {"a": [1, 2], "double": [2, 4]}
    assert value(arrays, "batch", x=pa.table({"a": [1, 2]})) == 2
    assert value(arrays, "batch", x=pa.table({"a": pa.array([], "int32")})) == 0
    failure = arrays.failure("table", message(x=b"no"))
    assert failure.kind == Kind.INVALID_ARGUMENTS
    assert failure.message.startswith("`table`: `x`: not an Arrow stream: ")
    failure = arrays.failure("batch", message(x=np.zeros(3)))
    assert (
        failure.message == "`batch`: `x`: must be an Arrow table, such as an .arrow stream; it is an array of float64"
    )
    failure = arrays.failure("total", message(x=Binary(b"GIF", "image/gif")))
    assert failure.message == "`total`: `x`: must be an array, such as a .npy file; it is image/gif"


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
