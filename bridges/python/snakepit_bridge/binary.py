"""Messages with parts: JSON, and beside it raw bytes as they are. docs/reference/binary-parts.md describes them.

Nothing is copied: a message is written as a list of buffers, and its parts are read as views into it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, Union

__all__ = [
    "DTYPES", "KEY", "SMALL", "BinaryError", "Buffer", "Place", "is_message", "pack", "place_of", "raw", "unpack",
]  # fmt: skip

MAGIC = b"\0SPB"
"""No JSON text begins with a zero byte."""
KEY = "$binary"
SMALL = 10_240
"""Bytes: up to this size, arrays of variables and what is shown of a part are JSON."""
MOST_PARTS = 65_536
MOST_DIMENSIONS = 32
ALIGNMENT = 64
_MARK = b'"$binary":'
_HEAD = struct.Struct("<4sII")
_ROW = 16
_MOST_BYTES = 1 << 62

Buffer = Union[bytes, bytearray, memoryview]

DTYPES: dict[str, tuple[int, str]] = {
    "bool": (1, "?"),
    "int8": (1, "b"), "int16": (2, "h"), "int32": (4, "i"), "int64": (8, "q"),
    "uint8": (1, "B"), "uint16": (2, "H"), "uint32": (4, "I"), "uint64": (8, "Q"),
    "float16": (2, "e"), "float32": (4, "f"), "float64": (8, "d"),
    "complex64": (8, ""), "complex128": (16, ""),
}  # fmt: skip
"""Bytes of an element, and its letter in `struct`, by the name of the type."""


class BinaryError(ValueError):
    """The bytes are not a message with parts, or the values cannot be sent as one."""


class Place(NamedTuple):
    """What the JSON says of a part: `dtype` and `shape` of an array, or the content type of opaque bytes."""

    part: int
    """Its number; 0 is the first."""
    dtype: str
    """Empty for opaque bytes."""
    shape: tuple[int, ...]
    type: str
    """Empty when it is not known."""

    def as_json(self) -> dict[str, Any]:
        if self.dtype:
            return {KEY: self.part, "dtype": self.dtype, "shape": list(self.shape)}
        return {KEY: self.part, "type": self.type} if self.type else {KEY: self.part}


def is_message(data: Buffer) -> bool:
    """Whether it begins as a message with parts does; otherwise it is JSON."""
    return data[:1] == b"\0"


def raw(data: Any) -> memoryview:
    """The bytes of a contiguous buffer, as a view."""
    view = memoryview(data)
    if not view.nbytes:
        return memoryview(b"")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


# ------------------------------------------------------------------------------------------------ out


def pack(text: bytes, parts: Sequence[Buffer]) -> list[Buffer]:
    """The message, as buffers to be written one after the other. `text` is compact JSON. Raises BinaryError."""
    if len(parts) > MOST_PARTS:
        raise BinaryError(f"there are {len(parts):,} binary parts; at most {MOST_PARTS:,} are allowed")
    if text.count(_MARK) != len(parts):
        raise BinaryError(f"an object has the key `{KEY}`, which beside binary parts has a meaning of its own")
    if len(text) >= 1 << 32:
        raise BinaryError("the JSON beside binary parts is longer than 4 GiB")
    end = _HEAD.size + _ROW * len(parts) + len(text)
    table = bytearray()
    rest: list[Buffer] = []
    for part in parts:
        start = -(-end // ALIGNMENT) * ALIGNMENT
        table += struct.pack("<QQ", start, len(part))
        rest += (bytes(start - end), part)
        end = start + len(part)
    return [_HEAD.pack(MAGIC, len(text), len(parts)) + bytes(table), text, *(one for one in rest if len(one))]


# ------------------------------------------------------------------------------------------------- in


def unpack(message: Buffer) -> tuple[memoryview, list[memoryview]]:
    """The JSON text and the parts, as read-only views. Raises BinaryError, never anything else."""
    view = raw(message).toreadonly()
    if len(view) < _HEAD.size:
        raise BinaryError(f"the message has {len(view)} bytes; its head alone has {_HEAD.size}")
    magic, size, count = _HEAD.unpack_from(view)
    if magic != MAGIC:
        raise BinaryError("the message does not begin as one with parts does")
    if count > MOST_PARTS:
        raise BinaryError(f"the message has {count:,} parts; at most {MOST_PARTS:,} are allowed")
    start = _HEAD.size + _ROW * count
    end = start + size
    if end > len(view):
        raise BinaryError(f"the message ends after {len(view):,} bytes, before its JSON does")
    numbers = struct.unpack_from(f"<{2 * count}Q", view, _HEAD.size)
    parts = []
    for index in range(count):
        offset, length = numbers[2 * index : 2 * index + 2]
        if offset < end or offset % ALIGNMENT or offset + length > len(view):
            raise BinaryError(f"part {index} cannot be {length:,} bytes at {offset:,} of {len(view):,}")
        parts.append(view[offset : offset + length])
    return view[start:end], parts


def place_of(found: dict[str, Any], parts: Sequence[memoryview]) -> Place:
    """The place that a JSON object with the key `$binary` is. Raises BinaryError when it does not fit its part."""
    index, dtype, shape, kind = found.get(KEY), found.get("dtype"), found.get("shape"), found.get("type", "")
    if type(index) is not int or not 0 <= index < len(parts):
        raise BinaryError(f"an object names the part {str(index)[:40]}; the message has {len(parts)}")
    where = f"part {index}"
    if not found.keys() <= ({KEY, "type"} if dtype is None else {KEY, "dtype", "shape"}):
        raise BinaryError(f"{where}: its object has other keys than `dtype` and `shape`, or `type`")
    if dtype is None:
        if type(kind) is not str:
            raise BinaryError(f"{where}: its type is not a string")
        return Place(index, "", (), kind)
    if type(dtype) is not str or dtype not in DTYPES:
        raise BinaryError(f"{where}: its dtype must be one of {', '.join(DTYPES)}, not {str(dtype)[:40]}")
    if type(shape) is not list or len(shape) > MOST_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise BinaryError(f"{where}: its shape must be a list of at most {MOST_DIMENSIONS} whole numbers")
    wanted = prod(shape) * DTYPES[dtype][0]
    if wanted != len(parts[index]) or prod(max(n, 1) for n in shape) > _MOST_BYTES // 16:
        raise BinaryError(f"{where}: {dtype} {str(shape)[:100]} does not fit the {len(parts[index]):,} bytes that came")
    return Place(index, dtype, tuple(shape), "")
