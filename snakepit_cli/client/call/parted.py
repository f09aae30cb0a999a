"""A result with parts: its JSON text, in which what stands for a part is replaced. Numbers keep their form."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire.binary import DTYPES, KEY, MOST_DIMENSIONS, SMALL, BinaryError, Place, place_of, unpack

_STRING = r'"(?:[^"\\]|\\.)*"'
_VALUE = rf"(?:{_STRING}|\[[\s\d,]*\])"
# A quote inside of a string is escaped, so this begins where an object does.
_PLACE = re.compile(rf'\{{\s*"\{KEY}"\s*:\s*\d+(?:\s*,\s*{_STRING}\s*:\s*{_VALUE})*\s*\}}')


class Part:
    """A part in its place."""

    def __init__(self, place: Place, data: memoryview) -> None:
        self.place = place
        self.data = data

    @classmethod
    def array(cls, dtype: str, shape: Sequence[int], data: memoryview) -> Part:
        """A part that did not come in a message, or has another shape than in its message."""
        return cls(Place(0, dtype, tuple(shape), ""), data)

    @property
    def small(self) -> bool:
        return self.data.nbytes <= SMALL

    def title(self) -> str:
        """What it is, for a person: `float64 [2, 3]`, `image/png`, `bytes`."""
        place = self.place
        return f"{place.dtype} {list(place.shape)}" if place.dtype else place.type or "bytes"

    def numbers(self) -> Any:
        """The elements of an array, as lists in lists. None for complex ones."""
        found = numbers(self.place.dtype, self.data)
        return None if found is None else nested(found, self.place.shape)


def numbers(dtype: str, elements: memoryview) -> list[Any] | None:
    """The elements one after the other; None for complex ones."""
    letter = DTYPES[dtype][1]
    return [one for (one,) in struct.iter_unpack(f"<{letter}", elements)] if letter else None


def nested(flat: list[Any], shape: Sequence[int]) -> Any:
    """The elements as lists in lists; a number when there is no dimension."""
    if not flat:
        return _hollow(shape)
    found: Any = flat
    for size in reversed(shape[1:]):
        found = [found[at : at + size] for at in range(0, len(found), size)]
    return found if shape else found[0]


def _hollow(shape: Sequence[int]) -> list[Any]:
    """Lists in lists, down to the first dimension of no elements."""
    return [_hollow(shape[1:]) for _ in range(shape[0])]


class Parted:
    """Raises PitError `invalid_result`."""

    def __init__(self, body: bytes | memoryview, what: str = "the result") -> None:
        """`what` the body is, for errors."""
        self._what = what
        try:
            text, self._parts = unpack(body)
            self.text = bytes(text).decode()
        except (BinaryError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None
        numbers = [self._part(one).place.part for one in _PLACE.findall(self.text)]
        if sorted(numbers) != list(range(len(self._parts))):
            raise self._unreadable("its JSON does not name each part once")

    def only(self, text: str) -> Part | None:
        """The part, when this piece of the JSON text is one part and nothing else."""
        return self._part(text) if _PLACE.fullmatch(text.strip()) else None

    def replaced(self, text: str, show: Callable[[Part], str]) -> str:
        """This piece of the JSON text, with `show` of each part in its place."""
        return _PLACE.sub(lambda found: show(self._part(found[0])), text)

    def _part(self, text: str) -> Part:
        try:
            place = place_of(json.loads(text), self._parts)
        except ValueError as error:
            raise self._unreadable(error) from None
        return Part(place, self._parts[place.part])

    def _unreadable(self, why: object) -> PitError:
        return PitError("invalid_result", f"{self._what} cannot be read: {why}")


def is_shape(value: Any) -> bool:
    """Whether it is a shape that an array may have."""
    return type(value) is list and len(value) <= MOST_DIMENSIONS and all(type(one) is int and one >= 0 for one in value)


def as_json(part: Part, nan: str | None) -> str:
    """A part in printed JSON: a list, base64, or an object with the base64 and what it is. Raises PitError."""
    place = part.place
    if place.dtype and part.small and (found := part.numbers()) is not None:
        try:
            return json.dumps(found, allow_nan=False, separators=(",", ":"))
        except ValueError:
            if nan != "null":
                message = f"an array ({part.title()}) holds NaN or an infinity, which JSON cannot hold"
                raise PitError("invalid_result", message, hint="`--nan null` makes it null") from None
        return json.dumps(_nulled(found), separators=(",", ":"))
    import binascii

    data = binascii.b2a_base64(part.data, newline=False).decode()
    if place.dtype:
        shape = ",".join(map(str, place.shape))
        return f'{{"dtype":"{place.dtype}","shape":[{shape}],"base64":"{data}"}}'
    return f'{{"type":{json.dumps(place.type)},"base64":"{data}"}}' if place.type else f'"{data}"'


def _nulled(value: Any) -> Any:
    if isinstance(value, list):
        return [_nulled(one) for one in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None
