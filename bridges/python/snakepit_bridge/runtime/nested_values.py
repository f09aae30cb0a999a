"""Arguments and results of the calls that handlers make: JSON, and beside it arrays and bytes as they are."""

from __future__ import annotations

from typing import Any

from snakepit_bridge import jsonio, jsonparts
from snakepit_bridge.binary import BinaryError, Buffer, Place, is_message, pack, unpack
from snakepit_bridge.errors import CallFailedError
from snakepit_bridge.parts import ARROW, array_of, fill, imported, table_of

__all__ = ["decode", "encode"]


def encode(value: Any) -> bytes:
    """JSON, or a message with parts when there are any. Raises NoJsonForm."""
    parts: list[Buffer] = []
    text = jsonparts.dumps(value, parts)
    try:
        return b"".join(pack(text, parts)) if parts else text
    except BinaryError as error:
        raise jsonio.NoJsonForm(str(error)) from None


def decode(data: bytes) -> Any:
    """The value; arrays are read-only views into `data`. Raises CallFailedError `invalid_result`."""
    if not is_message(data):
        return jsonio.loads(data)
    try:
        text, parts = unpack(data)
        return fill(jsonio.loads(bytes(text)), parts, _value)
    except (BinaryError, jsonio.InvalidJson) as error:
        raise CallFailedError("invalid_result", f"the answer cannot be read: {error}") from None


def _value(place: Place, part: memoryview) -> Any:
    if place.dtype:
        return array_of(place, part)
    return table_of(part) if place.type == ARROW and imported("pyarrow") is not None else bytes(part)
