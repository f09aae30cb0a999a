"""Values of variables with a binary part: long arrays of tensors and embeddings, which are kept as they are.

Such a value is a message with one part (docs/reference/binary-parts.md): `{"shape": …, "data": ARRAY}` is a tensor,
ARRAY an embedding. Readers that take no parts get it as JSON.
"""

from __future__ import annotations

import base64
import math
import struct
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from snakepit_cli.server.store import values
from snakepit_cli.server.store.values import InvalidValueError
from snakepit_cli.wire.binary import DTYPES, KEY, SMALL, Buffer, Place, is_message, pack, place_of, unpack
from snakepit_cli.wire.parts import fill

_NUMBERS = ("int", "uint", "float")
_MARK = f'"{KEY}":'.encode()


class _Array(NamedTuple):
    """A value that is one array."""

    place: Place
    part: memoryview
    shape: Any
    """The shape that a tensor states; None for an embedding."""


def fitting(type_: str, value: bytes, constraints: Mapping[str, Any]) -> bytes:
    """The value as it is kept: JSON text, unless it is a long array of a tensor or an embedding. `value` may be
    either. Raises InvalidValueError."""
    if not is_message(value):
        return value
    found = _array(value)
    if found is None or type_ != ("embedding" if found.shape is None else "tensor") or found.part.nbytes <= SMALL:
        return as_json(type_, value)
    if wrong := _misfit(found):
        title = f"{found.place.dtype} {values.shown(list(found.place.shape))}"
        raise InvalidValueError(f"cannot convert {title} to {type_}: {wrong}")
    values.test({"shape": found.shape} if type_ == "tensor" else range(found.place.shape[-1]), constraints)
    return value


def inferred(value: bytes) -> str:
    """The type that a value with parts suggests. Raises InvalidValueError."""
    found = _array(value)
    if found is None or found.place.dtype[:5] != "float" or found.part.nbytes <= SMALL:
        return "tensor" if found and found.shape is not None else values.inferred(values.decoded(as_json("", value)))
    return "embedding" if found.shape is None else "tensor"


def as_json(type_: str, value: bytes) -> bytes:
    """The JSON text of a value, which may have parts. Raises InvalidValueError for what JSON cannot hold."""
    if not is_message(value):
        return value

    def make(place: Place, part: memoryview) -> Any:
        if not place.dtype:
            return base64.b64encode(part).decode()
        if wrong := _not_finite(place, part):
            raise InvalidValueError(wrong)
        flat = _elements(place, part)
        if type_ == "embedding" and place.dtype != "bool":
            flat = list(map(float, flat))
        return flat if type_ == "tensor" else _nested(flat, place.shape)

    text, parts = unpack(value)
    return msgspec.json.encode(fill(msgspec.json.decode(text), parts, make))


def placed(value: bytes, parts: list[Buffer]) -> bytes:
    """The JSON text of a value that is kept; its part is added to `parts`."""
    if not is_message(value):
        return value
    text, own = unpack(value)
    parts.append(own[0])
    return bytes(text).replace(b"%b0" % _MARK, b"%b%d" % (_MARK, len(parts) - 1), 1)


def message(text: bytes, parts: list[Buffer]) -> bytes | None:
    """An answer with these parts; None when another object in it has the key that stands for them."""
    return b"".join(pack(text, parts)) if text.count(_MARK) == len(parts) else None


def _array(value: bytes) -> _Array | None:
    text, parts = unpack(value)
    found = msgspec.json.decode(text)
    shape = None
    if type(found) is dict and found.keys() == {"shape", "data"}:
        shape, found = found["shape"], found["data"]
    if type(found) is not dict or KEY not in found:
        return None
    place = place_of(found, parts)
    return _Array(place, parts[place.part], shape) if place.dtype else None


def _misfit(found: _Array) -> str:
    """What is wrong with it; empty when nothing is."""
    place, shape = found.place, found.shape
    if not place.dtype.startswith(_NUMBERS):
        return "the data must be numbers"
    if shape is None and len(place.shape) not in {1, 2}:
        return "must be a list of numbers, or lists of one length"
    if shape is not None and not values.is_shape(shape):
        return "must be a tensor with shape and data: the shape is a list of whole numbers"
    if shape is not None and math.prod(shape) != math.prod(place.shape):
        return "data size doesn't match shape"
    return _not_finite(place, found.part)


def _not_finite(place: Place, part: memoryview) -> str:
    if place.dtype[:5] != "float":
        return ""
    view = _elements(place, part) if place.dtype == "float16" or sys.byteorder == "big" else _view(place, part)
    # A sum of finite numbers may be infinite; then each is looked at.
    if math.isfinite(sum(view)) or all(map(math.isfinite, view)):
        return ""
    return "it holds NaN or an infinity, which JSON cannot hold"


def _view(place: Place, part: memoryview) -> Any:
    letter: Any = DTYPES[place.dtype][1]
    return part.cast("B").cast(letter) if part.nbytes else ()


def _elements(place: Place, part: memoryview) -> list[Any]:
    """One after the other. Raises InvalidValueError for complex ones."""
    letter = DTYPES[place.dtype][1]
    if not letter:
        raise InvalidValueError("it holds complex numbers, which JSON cannot hold")
    if letter == "e" or sys.byteorder == "big":
        return [one for (one,) in struct.iter_unpack(f"<{letter}", part)]
    return list(_view(place, part))


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return flat[0]
    if not flat:
        return _hollow(shape)
    for size in reversed(shape[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat


def _hollow(shape: tuple[int, ...]) -> list[Any]:
    """Lists in lists, down to the first dimension of no elements."""
    return [_hollow(shape[1:]) for _ in range(shape[0])]
