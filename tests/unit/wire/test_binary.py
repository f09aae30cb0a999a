"""Messages with parts: written and read by the bridge's code and by the tool's copy of it."""

from __future__ import annotations

import array
import ctypes
import json
import random
import re
import struct
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakepit_bridge import binary as bridge_binary
from snakepit_bridge import parts as bridge_parts

from snakepit_cli.wire import binary, parts
from tests.harness.pit import ROOT

BOTH = pytest.mark.parametrize(
    ("codec", "values"), [(binary, parts), (bridge_binary, bridge_parts)], ids=["tool", "bridge"]
)


def refuse(value: Any) -> Any:
    raise TypeError(type(value).__name__)


def written(value: Any, codec: Any = binary, values: Any = parts) -> bytes:
    writer = values.Writer(refuse, [])
    text = json.dumps(value, default=writer.take, separators=(",", ":")).encode()
    return b"".join(codec.pack(text, writer.parts))


def read(message: Any, codec: Any = binary, values: Any = parts) -> Any:
    def make(place: Any, part: memoryview) -> Any:
        return values.array_of(place, part) if place.dtype else (place.type, bytes(part))

    text, found = codec.unpack(message)
    return values.fill(json.loads(bytes(text)), found, make)


def error(function: Any, *args: Any) -> str:
    with pytest.raises((binary.BinaryError, bridge_binary.BinaryError)) as raised:
        function(*args)
    return str(raised.value)


@BOTH
def test_the_bytes_of_a_message(codec: Any, values: Any) -> None:
    message = written({"a": b"hi", "b": np.array([1.0, 2.0])}, codec, values)
    text = b'{"a":{"$binary":0},"b":{"$binary":1,"dtype":"float64","shape":[2]}}'
    assert message[:12] == b"\0SPB" + struct.pack("<II", len(text), 2)
    assert message[12:44] == struct.pack("<QQQQ", 128, 2, 192, 16)
    assert message[44 : 44 + len(text)] == text
    assert message[44 + len(text) : 128] == bytes(128 - 44 - len(text))
    assert message[128:130] == b"hi"
    assert message[192:] == struct.pack("<dd", 1, 2)


@BOTH
@pytest.mark.parametrize("dtype", binary.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_arrays_of_every_type_come_back(codec: Any, values: Any, dtype: str, shape: tuple[int, ...]) -> None:
    made = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape)
    found = read(written([made], codec, values), codec, values)[0]
    assert (found.dtype, found.shape) == (made.dtype, made.shape)
    assert np.array_equal(found, made)
    assert not found.flags.writeable


@pytest.mark.parametrize(
    "made",
    [
        np.arange(12).reshape(3, 4).T,
        np.arange(12).reshape(3, 4)[:, ::2],
        np.arange(5, dtype=">i4"),
        np.asfortranarray(np.ones((3, 4))),
        np.rec.array(np.arange(3)),
    ],
    ids=["turned", "every second", "big-endian", "fortran", "subclass"],
)
def test_any_layout_is_sent_in_the_usual_one(made: Any) -> None:
    found = read(written(made))
    assert found.dtype == made.dtype.newbyteorder("<")
    assert np.array_equal(found, made)


@pytest.mark.parametrize(
    "made",
    [np.array([object()]), np.array(["a"]), np.array([(1, 2)], dtype="i4,i4"), np.ma.array([1, 2], mask=[0, 1])],
    ids=["objects", "text", "records", "masked"],
)
def test_what_is_no_array_of_numbers_is_left_to_the_encoder(made: Any) -> None:
    with pytest.raises(TypeError, match="rray"):
        written(made)


def test_numbers_of_numpy_are_no_arrays() -> None:
    assert parts.Writer(float, []).take(np.float32(0.5)) == 0.5


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (b"abc", ("", b"abc")),
        (bytearray(b"abc"), ("", b"abc")),
        (memoryview(b"abcdef")[::2], ("", b"ace")),
        (b"", ("", b"")),
        (parts.Binary(b"abc", "image/png"), ("image/png", b"abc")),
        (parts.Binary(np.ones(2, "u1"), "a/b"), ("a/b", b"\1\1")),
    ],
)
def test_bytes_come_back(made: Any, found: Any) -> None:
    assert read(written({"x": [made]})) == {"x": [found]}


@pytest.mark.parametrize(
    ("made", "dtype", "found"),
    [
        (array.array("d", [1, 2]), "float64", [1, 2]),
        (array.array("l", [-1]), "int64", [-1]),
        (array.array("B", [7]), "uint8", [7]),
        ((ctypes.c_int16 * 2)(3, -4), "int16", [3, -4]),
        (memoryview(array.array("H", [1, 2, 3]))[::2], "uint16", [1, 3]),
        (memoryview(bytes(8)).cast("?", (2, 4)), "bool", [[False] * 4] * 2),
    ],
)
def test_what_has_the_buffer_protocol_is_an_array(made: Any, dtype: str, found: Any) -> None:
    one = read(written(made))
    assert (one.dtype, one.tolist()) == (dtype, found)


class Device:
    """An array on a device, as its library has it."""

    def __init__(self, device: int) -> None:
        self.device = device

    def __dlpack__(self, **how: Any) -> Any:
        return np.arange(3.0).__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0


def test_dlpack() -> None:
    assert read(written(Device(1))).tolist() == [0, 1, 2]
    assert error(written, Device(2)) == "is an array on CUDA; move it to the CPU first"
    assert "device type 99" in error(written, Device(99))


def test_what_dlpack_cannot_give_is_left_to_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "from_dlpack", refuse)
    with pytest.raises(TypeError, match="Device"):
        written(Device(1))


def test_tables_travel_as_arrow_streams() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"a": [1, 2], "b": ["x", None]})
    for one in (table, table.to_batches()[0]):
        [(kind, data)] = read(written([one]))
        assert kind == parts.ARROW
        assert parts.table_of(memoryview(data)) == table
    assert "not an Arrow stream" in error(parts.table_of, memoryview(b"nothing"))


@pytest.fixture
def without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)


@pytest.mark.usefixtures("without_numpy")
def test_without_numpy_arrays_are_views() -> None:
    found = read(written([array.array("d", [1, 2]), array.array("q"), memoryview(bytes(6)).cast("B", (2, 3))]))
    assert [one.tolist() for one in found] == [[1.0, 2.0], [], [[0] * 3] * 2]
    assert all(isinstance(one, memoryview) and one.readonly for one in found)


def test_without_numpy_some_types_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    message = written(np.zeros(3, "complex64"))
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert "complex64 needs numpy" in error(read, message)


def test_nothing_is_copied() -> None:
    made = np.arange(1000.0)
    writer = parts.Writer(refuse, [])
    text = json.dumps(made, default=writer.take, separators=(",", ":")).encode()
    buffers = binary.pack(text, writer.parts)
    assert np.shares_memory(np.frombuffer(buffers[-1], "u1"), made)
    message = b"".join(buffers)
    assert np.shares_memory(read(message), np.frombuffer(message, "u1"))


@BOTH
def test_the_users_own_key_is_refused_beside_parts(codec: Any, values: Any) -> None:
    assert "`$binary`" in error(written, [b"x", {"$binary": 0}], codec, values)
    assert read(written([b"x", "$binary", {"a": "$binary"}], codec, values), codec, values) == [
        ("", b"x"), "$binary", {"a": "$binary"},
    ]  # fmt: skip


@BOTH
def test_too_many_parts(codec: Any, values: Any) -> None:
    assert len(read(written([b""] * 65_536, codec, values), codec, values)) == 65_536
    assert "65,537 binary parts" in error(written, [b""] * 65_537, codec, values)
    assert "65,537 parts" in error(codec.unpack, b"\0SPB" + struct.pack("<II", 0, 65_537) + bytes(1 << 21))


def message(text: str, *rows: tuple[int, int], rest: int = 256) -> bytes:
    table = b"".join(struct.pack("<QQ", *row) for row in rows)
    head = b"\0SPB" + struct.pack("<II", len(text), len(rows)) + table + text.encode()
    return head + bytes(rest - len(head))


@BOTH
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes"),
        (b"\0SPB", "4 bytes"),
        (b"\0SPX" + bytes(8), "does not begin"),
        (b"\0SPB" + struct.pack("<II", 100, 0), "before its JSON"),
        (b"\0SPB" + struct.pack("<II", 0, 3), "before its JSON"),
        (message('{"$binary":0}', (0, 4)), "4 bytes at 0"),
        (message('{"$binary":0}', (65, 4)), "4 bytes at 65"),
        (message('{"$binary":0}', (64, 200)), "200 bytes at 64"),
        (message('{"$binary":0}', (2**64 - 64, 2**64 - 1)), "part 0"),
        (message('{"$binary":1}', (64, 4)), "names the part 1"),
        (message('{"$binary":-1}', (64, 4)), "names the part -1"),
        (message('{"$binary":true}', (64, 4)), "names the part True"),
        (message('[{"$binary":0},{"$binary":0}]', (128, 4)), "two places"),
        (message("1", (64, 4)), "no place"),
        (message('{"$binary":0,"other":1}', (64, 4)), "other keys"),
        (message('{"$binary":0,"type":1}', (64, 4)), "not a string"),
        (message('{"$binary":0,"dtype":"object","shape":[1]}', (128, 4)), "not object"),
        (message('{"$binary":0,"dtype":1,"shape":[1]}', (128, 4)), "not 1"),
        (message('{"$binary":0,"dtype":"int8"}', (64, 4)), "shape"),
        (message('{"$binary":0,"dtype":"int8","shape":[-4]}', (128, 4)), "shape"),
        (message('{"$binary":0,"dtype":"int8","shape":[true]}', (128, 1)), "shape"),
        (message('{"$binary":0,"dtype":"int8","shape":[5]}', (128, 4)), "does not fit the 4 bytes"),
        (message(f'{{"$binary":0,"dtype":"int8","shape":[0,{2**70}]}}', (128, 0)), "does not fit the 0 bytes"),
        (message('{"$binary":0,"dtype":"int8","shape":%s}' % ([1] * 33), (256, 1), rest=512), "32"),
    ],
)
def test_what_is_wrong_is_named(codec: Any, values: Any, data: bytes, said: str) -> None:
    assert said in error(read, data, codec, values)


def test_parts_may_lie_over_each_other() -> None:
    assert read(message('[{"$binary":0},{"$binary":1}]', (128, 4), (128, 4))) == [("", bytes(4))] * 2


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.binary(max_size=70)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner))


@given(VALUES)
def test_any_value_comes_back(value: Any) -> None:
    def make(_: Any, part: memoryview) -> bytes:
        return bytes(part)

    text, found = binary.unpack(written(value))
    assert parts.fill(json.loads(bytes(text)), found, make) == value


@BOTH
def test_mutations_are_read_or_refused(codec: Any, values: Any) -> None:
    """10,000 of them: bytes changed, cut, doubled; what is read has the shape that it says."""
    chance = random.Random(7)
    value = {"a": np.arange(6.0).reshape(2, 3), "b": [b"abc", {"c": values.Binary(b"x" * 65, "image/png")}], "d": 1}
    whole = written(value, codec, values)
    read_well = 0
    for _ in range(10_000):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(min(len(data), chance.choice([16, 60, 250, len(whole)])) or 1)
            what = chance.randrange(5)
            if what == 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            elif what == 1:
                data[at : at + 1] = chance.choice([b"0", b"9", b"-", b'"', b"[", b"]", b"{", b"\xff", b"\0"])
            elif what == 2:
                del data[at : at + chance.randrange(9)]
            elif what == 3:
                data[at:at] = data[at : at + chance.randrange(9)]
            else:
                del data[at:]
        try:
            read(bytes(data), codec, values)
        except (codec.BinaryError, json.JSONDecodeError, UnicodeDecodeError):
            continue
        read_well += 1
    assert 100 < read_well < 9_000


@BOTH
def test_the_example_of_the_reference(codec: Any, values: Any) -> None:
    page = (ROOT / "docs/reference/binary-parts.md").read_text()
    rows = {int(row[:8], 16): bytes.fromhex(row[8:58]) for row in page.splitlines() if re.match(r"[0-9a-f]{8}  ", row)}
    shown = b"".join(rows[at].ljust(16, b"\0") if at in rows else bytes(16) for at in range(0, max(rows), 16))
    message = b"".join(codec.pack(b'{"$binary":0,"dtype":"uint8","shape":[2]}', [b"\2\3"]))
    assert message == shown + rows[max(rows)]
    assert read(message, codec, values).tolist() == [2, 3]


@BOTH
def test_what_a_variable_keeps_as_an_array(codec: Any, values: Any) -> None:
    long, short = codec.SMALL + 1, codec.SMALL
    kept = [
        np.zeros(long, "u1"),
        np.zeros(long, "f8"),
        array.array("b", bytes(long)),
        array.array("d", bytes(8 * long)),
    ]
    assert all(map(values.is_long, kept))
    others = [
        np.zeros(short, "u1"), array.array("b", bytes(short)), memoryview(bytes(long)).cast("c"), np.zeros(long, "?"),
        np.zeros(long, "c16"), np.zeros(long, "S9"), np.zeros(long, np.longdouble), bytes(long), [0.0] * long, None,
    ]  # fmt: skip
    assert not any(map(values.is_long, others))
