"""What a variable may hold: types, their constraints, and what is said of a value that does not fit.

The types, constraints and the core of the messages are those of Snakepit 0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

_SPECIAL = {"Infinity", "-Infinity", "NaN"}
_LONGEST_SHOWN = 60
_DEEPEST = 64
_PATTERN_BYTES = 1 << 20
"""Of a compiled pattern."""
_LONGEST_PATTERN = 1_000
_LONGEST_FOR_PATTERN = 10_000
"""Characters of a string that is compared with a pattern."""


class InvalidValueError(Exception):
    """The text says what was given and what is allowed."""


class _UnfitError(Exception):
    """Not of the type; the text says what it must be."""


class Type(NamedTuple):
    convert: Callable[[Any], Any]
    """The value as it is kept. Raises _UnfitError."""
    constraints: Mapping[str, Callable[[Any], bool]]
    """Name → whether this may be its value."""


def shown(value: Any) -> str:
    """Short, as JSON."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def compact(raw: bytes | msgspec.Raw) -> bytes:
    """JSON on one line."""
    text = bytes(raw)
    return text if b"\n" not in text and b"\r" not in text else msgspec.json.format(text, indent=-1)


def decoded(text: bytes | msgspec.Raw) -> Any:
    """The value of a JSON text. Raises InvalidValueError."""
    try:
        raw = bytes(text)
        value = msgspec.json.decode(raw)
        if type(value) is float and not raw.strip().strip(b"-").strip(b"0123456789"):
            value = int(raw)  # msgspec makes floats of integers beyond 64 bits
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidValueError(f"no JSON: {error}") from None
    return value


def check(type_: str, value: Any, constraints: Mapping[str, Any]) -> Any:
    """The value as it is kept. Raises InvalidValueError."""
    try:
        fit = TYPES[type_].convert(value)
    except _UnfitError as why:
        raise InvalidValueError(f"cannot convert {shown(value)} to {type_}: {why}") from None
    test(fit, constraints)
    return fit


def test(fit: Any, constraints: Mapping[str, Any]) -> None:
    """Raises InvalidValueError for a value of its type that does not meet them."""
    for name, wrong_with in _TESTS.items():
        if name in constraints and (wrong := wrong_with(fit, constraints[name])):
            raise InvalidValueError(wrong)


def check_constraints(type_: str, constraints: Mapping[str, Any]) -> None:
    """Raises InvalidValueError."""
    known = TYPES[type_].constraints
    for name, value in constraints.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise InvalidValueError(f"Invalid constraints: {name} is unknown ({type_} has {names})")
        if not known[name](value):
            raise InvalidValueError(f"Invalid constraints: {name} cannot be {shown(value)}")
    if "pattern" in constraints:
        _compiled(constraints["pattern"])
    for low, high in (("min", "max"), ("min_length", "max_length")):
        if low in constraints and high in constraints and constraints[low] > constraints[high]:
            raise InvalidValueError(f"Invalid constraints: {low} is above {high}")


def inferred(value: Any) -> str:
    """The type that a value suggests. Raises InvalidValueError for null."""
    if value is None:
        raise InvalidValueError("the type of null is not known: register the variable with its type first")
    if isinstance(value, dict):
        return "tensor" if _is_tensor(value) else "map"
    if isinstance(value, list):
        # Whole numbers alone stay what they are: as an embedding they would become floats.
        floats = any(type(one) is float for one in value)
        return "embedding" if floats and all(map(_is_number, value)) else "list"
    return {bool: "boolean", int: "integer", float: "float"}.get(type(value), "string")


def _is_tensor(value: dict[str, Any]) -> bool:
    try:
        _tensor(value)
    except _UnfitError:
        return False
    return True


# ----------------------------------------------------------------------------------------------- types


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_float(value: Any) -> float:
    """Raises _UnfitError for integers that no float can hold."""
    try:
        return float(value)
    except OverflowError:
        raise _UnfitError("it is too large for a float") from None


def _float(value: Any) -> float | str:
    if isinstance(value, str) and value in _SPECIAL:
        return value
    if not _is_number(value):
        raise _UnfitError("must be a number")
    return _as_float(value)


def _integer(value: Any) -> int:
    if not _is_number(value):
        raise _UnfitError("must be an integer")
    if isinstance(value, float) and not value.is_integer():
        raise _UnfitError(f"must be a whole number, got {shown(value)}")
    return int(value)


def _string(value: Any) -> str:
    if value is None:
        raise _UnfitError("cannot be null")
    if not isinstance(value, str):
        raise _UnfitError("must be a string")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool | str) or (isinstance(value, int) and value in {0, 1}):
        known = {True: True, False: False, "true": True, "false": False}
        if value in known:
            return known[value]
    raise _UnfitError("must be a boolean (true or false)")


def _module(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _UnfitError("must be a module name")
    return value


def _embedding(value: Any) -> list[float] | list[list[float]]:
    """One, or a batch: a list of embeddings that are equally long."""
    if not isinstance(value, list):
        raise _UnfitError("must be a list of numbers")
    if not value or not all(isinstance(one, list) for one in value):
        return _numbers(value)
    rows = [_numbers(one) for one in value]
    if len({len(one) for one in rows}) > 1:
        raise _UnfitError("must be a numeric list, or lists of one length")
    return rows


def _numbers(value: list[Any]) -> list[float]:
    if not all(map(_is_number, value)):
        raise _UnfitError("must be a numeric list")
    return [_as_float(one) for one in value]


def _tensor(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != {"shape", "data"} or not isinstance(value["shape"], list):
        raise _UnfitError("must be a tensor with shape and data")
    shape, data = value["shape"], value["data"]
    if not is_shape(shape):
        raise _UnfitError("must be a tensor with shape and data: the shape is a list of whole numbers")
    if _count(data) != math.prod(shape):
        raise _UnfitError("data size doesn't match shape")
    return value


def _count(data: Any) -> int:
    """Numbers in nested lists. Raises _UnfitError when there is something else."""
    count, level, depth = 0, [data], 0
    while level:
        depth += 1
        deeper: list[Any] = []
        for one in level:
            if isinstance(one, list):
                deeper.extend(one)
            elif _is_number(one):
                count += 1
            else:
                raise _UnfitError("must be a tensor with shape and data: the data are numbers")
        if depth > _DEEPEST:
            raise _UnfitError(f"must be a tensor with shape and data: at most {_DEEPEST} dimensions")
        level = deeper
    return count


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _UnfitError("must be an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _UnfitError("must be a list")
    return value


# ----------------------------------------------------------------------------------------- constraints


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_pattern(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_PATTERN


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _DEEPEST and all(map(_is_count, value))


def _minimum(value: Any, limit: Any) -> str | None:
    return f"value {shown(value)} is below minimum {shown(limit)}" if value not in _SPECIAL and value < limit else None


def _maximum(value: Any, limit: Any) -> str | None:
    return f"value {shown(value)} is above maximum {shown(limit)}" if value not in _SPECIAL and value > limit else None


_UNITS: dict[type, str] = {str: "characters", list: "elements", dict: "entries"}


def _shortest(value: Any, limit: int) -> str | None:
    return f"must be at least {limit} {_UNITS[type(value)]}, got {len(value)}" if len(value) < limit else None


def _longest(value: Any, limit: int) -> str | None:
    return f"must be at most {limit} {_UNITS[type(value)]}, got {len(value)}" if len(value) > limit else None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    """None when it is not a regular expression: it is then literal text, as in the original. Raises InvalidValueError.

    RE2 takes time in proportion to the text, whatever the pattern is: one from a client must not stop the server.
    """
    import re2  # takes long to import, and few need it

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None
    text = "look-around, back-references and very large patterns cannot be used"
    raise InvalidValueError(f"Invalid constraints: pattern {shown(pattern)}: {why} ({text})")


def _pattern(value: str, pattern: str) -> str | None:
    if len(value) > _LONGEST_FOR_PATTERN:
        return f"must match pattern: {pattern}, and so have at most {_LONGEST_FOR_PATTERN:,} characters"
    compiled = _compiled(pattern)
    found = pattern in value if compiled is None else compiled.search(value) is not None
    why = " (not a regular expression, so searched for literally)" if compiled is None else ""
    return None if found else f"{shown(value)} must match pattern: {pattern}{why}"


def _one_of(value: str, allowed: list[str]) -> str | None:
    if not allowed or value in allowed:
        return None
    return f"{shown(value)} must be one of: {', '.join(allowed)}"


def _allowed_module(value: str, allowed: list[str]) -> str | None:
    if value in allowed:
        return None
    return f"{shown(value)} must be one of the allowed modules: {', '.join(allowed)}"


def _dimensions(value: list[Any], count: int) -> str | None:
    found = len(value[0]) if value and isinstance(value[0], list) else len(value)
    return None if found == count else f"must have exactly {count} dimensions, got {found}"


def _shape(value: dict[str, Any], shape: list[int]) -> str | None:
    return None if value["shape"] == shape else f"shape must be {shown(shape)}, got {shown(value['shape'])}"


_TESTS: dict[str, Callable[[Any, Any], str | None]] = {
    "min": _minimum, "max": _maximum, "min_length": _shortest, "max_length": _longest, "pattern": _pattern,
    "enum": _one_of, "choices": _one_of, "allowed_modules": _allowed_module, "dimensions": _dimensions,
    "shape": _shape,
}  # fmt: skip
"""Constraint → what is wrong with a value, in the order in which they are looked at."""
_RANGE = {"min": _is_number, "max": _is_number}
_LENGTHS = {"min_length": _is_count, "max_length": _is_count}
TYPES: dict[str, Type] = {
    "float": Type(_float, _RANGE),
    "integer": Type(_integer, _RANGE),
    "string": Type(_string, {**_LENGTHS, "pattern": _is_pattern, "enum": _is_texts}),
    "boolean": Type(_boolean, {}),
    "choice": Type(_string, {"choices": _is_texts}),
    "module": Type(_module, {"allowed_modules": _is_texts}),
    "embedding": Type(_embedding, {"dimensions": _is_count}),
    "tensor": Type(_tensor, {"shape": is_shape}),
    "map": Type(_map, _LENGTHS),
    "list": Type(_list, _LENGTHS),
}
