"""JSON forms of values that are no JSON types: one policy for results, chunks, items, variables and programs.

msgspec has forms of its own for the types of the standard library, and gives them without asking here: the functions
below give the same ones, for interpreters without msgspec. A `repr` is never sent, because it may hold secrets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Callable

from snakepit_bridge.parts import Binary

__all__ = ["NoJsonForm", "as_key", "fields_of", "keep_types_of_refused", "name_of", "plain"]

MARK = "__unserializable__"
"""The only member of what stands for a refused value, where the pool wants that; its value is the type's name."""
MOST_ELEMENTS = 10_000_000
"""Of an array: one that has more is refused before it becomes a list."""
_MISSING = frozenset({"NaTType", "NAType"})
_DTYPES = frozenset({"dtype", "ExtensionDtype"})
"""Types of columns, in numpy and pandas; their form is their name."""
_FLOAT, _INT, _STR = float.__float__, int.__int__, str.__str__
_marking = False


class NoJsonForm(ValueError):  # noqa: N818
    """The value has no JSON form."""


def keep_types_of_refused(marking: bool) -> None:
    """Whether a value that has no form is replaced by a marker that carries its type, instead of being refused."""
    global _marking  # noqa: PLW0603 - a setting of the pool
    _marking = marking


def name_of(kind: type) -> str:
    """As a person would import it."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def plain(value: Any) -> Any:
    """A JSON form for a value that is no JSON type. Raises NoJsonForm, with what is to be said after its place."""
    try:
        return _form(value)
    except NoJsonForm:
        if not _marking:
            raise
    return {MARK: name_of(type(value))}


def _form(value: Any) -> Any:
    kind = type(value)
    for base, convert in _SUBCLASSES:
        if isinstance(value, base) and kind is not base:
            special = _standard(value)
            return convert(value) if special is None else special[0]
    if not isinstance(value, type):
        if (fields := fields_of(value)) is not None:
            return {name: getattr(value, name) for name in fields}
        for look in (_standard, _declared, _collected):
            found = look(value)
            if found is not None:
                return found[0]
    raise NoJsonForm(f"is of type {name_of(kind)}, which has no JSON form{_instead(value)}")


def as_key(value: Any) -> str | int | float | None:
    """What is written as the name of a member; None for null, and for what cannot be one."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    try:
        found = _form(value)
    except NoJsonForm:
        return None
    return found if isinstance(found, (str, int, float)) else None


_SUBCLASSES: tuple[tuple[type, Callable[[Any], Any]], ...] = ((str, _STR), (float, _FLOAT), (int, _INT))
"""numpy.float64 is a float, and a column's name may be a string of its own kind."""


def fields_of(value: Any) -> Iterable[str] | None:
    """Names of a Struct's or a dataclass's fields; None for all others."""
    kind = type(value)
    fields: Iterable[str] | None = getattr(kind, "__struct_fields__", None)
    if fields is None and dataclasses.is_dataclass(kind) and not isinstance(value, type):
        return [one.name for one in dataclasses.fields(value)]
    return fields


# ------------------------------------------------------------------------------- types that say their form themselves


def _model_dump(value: Any) -> Any:
    try:
        return value.model_dump(mode="json")
    except TypeError:
        return value.model_dump()


def _to_dict(value: Any) -> Any:
    # A data frame: rows, which can be streamed and mapped over, instead of columns.
    return value.to_dict(orient="records") if hasattr(type(value), "iterrows") else value.to_dict()


def _tolist(value: Any) -> Any:
    size = getattr(value, "size", 0)
    if isinstance(size, int) and size > MOST_ELEMENTS:
        raise NoJsonForm(f"has {size} elements; an array of a result may have {MOST_ELEMENTS}")
    return value.tolist()


_METHODS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("model_dump", _model_dump),
    ("to_dicts", lambda value: value.to_dicts()),
    ("to_dict", _to_dict),
    ("to_pylist", lambda value: value.to_pylist()),
    ("_asdict", lambda value: value._asdict()),
    ("tolist", _tolist),
    ("item", lambda value: value.item()),
    ("isoformat", lambda value: value.isoformat()),
)
"""Asked in this order. Methods of the class only: an object that makes up attributes has none of them."""


def _declared(value: Any) -> tuple[Any] | None:
    kind = type(value)
    if kind.__name__ in _MISSING:
        return (float("nan"),)  # pandas.NaT and pandas.NA: what is said of NaN holds for them
    for name, convert in _METHODS:
        if not callable(getattr(kind, name, None)):
            continue
        try:
            converted = convert(value)
        except NoJsonForm:
            raise
        except Exception as error:
            raise NoJsonForm(f"is of type {name_of(kind)}, whose {name}() raised {type(error).__name__}") from error
        if type(converted) is not kind:
            return (converted,)
    return None


def _collected(value: Any) -> tuple[Any] | None:
    import collections

    if isinstance(value, (set, frozenset, collections.deque, range)):
        return (list(value),)
    if any(base.__name__ in _DTYPES for base in type(value).__mro__):
        return (str(value),)
    if isinstance(value, BaseException):
        return ({"type": type(value).__name__, "message": _message(value)},)
    return None


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - anything may be wrong with the user's class
        return ""


def _instead(value: Any) -> str:
    """What to return in its place, when that is known."""
    if hasattr(type(value), "__next__"):
        return "; yield its elements, or return list(…)"
    return "; call it" if callable(value) and not isinstance(value, type) else ""


# ------------------------------------------------------------------------------------------- the standard library


def _standard(value: Any) -> tuple[Any] | None:  # noqa: PLR0911 - a table
    """JSON forms of the standard library's types, in a tuple; None for all others."""
    import datetime
    import decimal
    import enum
    import os
    import uuid

    if isinstance(value, enum.Enum):
        return (value.value,)
    if isinstance(value, (datetime.datetime, datetime.time)):
        text = value.isoformat()
        return None if text == "NaT" else (text[:-6] + "Z" if text.endswith("+00:00") else text,)
    if isinstance(value, datetime.date):
        return (value.isoformat(),)
    if isinstance(value, datetime.timedelta):
        return None if type(value).__name__ in _MISSING else (_duration(value),)
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return (str(value),)
    if isinstance(value, os.PathLike):
        return (os.fspath(value),)
    if isinstance(value, (bytes, bytearray, memoryview, Binary)):
        import base64

        data = value.data if isinstance(value, Binary) else value
        return (base64.b64encode(data).decode("ascii"),)
    return None


def _duration(value: Any) -> str:
    """ISO 8601, as msgspec writes it: P1DT2.5S."""
    sign = "-" if value.days < 0 else ""
    value = abs(value)
    seconds = (
        f"{value.seconds}.{value.microseconds:06}".rstrip("0").rstrip(".") if value.microseconds else value.seconds
    )
    time = f"T{seconds}S" if value.seconds or value.microseconds else ""
    days = f"{value.days}D" if value.days or not time else ""
    return f"{sign}P{days}{time}"
