"""Converts arguments to the types of a handler's annotations, or refuses them.

msgspec converts what it can when this interpreter has it; without it, only what is listed here is converted. Arguments
with an unknown annotation (an array, a class of the user's) are passed on unchanged.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import pathlib
import types
import typing
import uuid
from json import dumps, loads
from typing import Any, Callable, Union

from snakepit_bridge.jsonio import _msgspec

__all__ = ["Check", "Converter", "Misfit", "checks_of", "converter_of", "resolved", "union_of"]

Converter = Callable[[dict[str, Any]], None]
"""Changes the arguments in place. Raises Misfit."""
_ACCEPTED: dict[Any, tuple[type, ...]] = {int: (int,), float: (float, int), str: (str,), bool: (bool,)}
"""Annotation → types of JSON values that it takes as they are. A whole number is a float; it stays as it is."""
_ISO = (datetime.datetime, datetime.date, datetime.time)
_FROM_TEXT = (*_ISO, decimal.Decimal, uuid.UUID, pathlib.Path, pathlib.PurePath)
_JSON = frozenset({dict, list, str, int, float, bool, type(None)})
_CONTAINERS = {
    list: list, tuple: tuple, set: set, frozenset: frozenset, collections.abc.Sequence: list, dict: dict,
    collections.abc.Mapping: dict, collections.abc.Iterable: list,
}  # fmt: skip
_UNIONS = (Union, getattr(types, "UnionType", Union))


class Misfit(ValueError):  # noqa: N818 - it says what does not fit
    """An argument is not what its annotation says."""


class Check(typing.NamedTuple):
    """One argument."""

    name: str
    accepted: frozenset[type]
    """Types of JSON values that are passed on as they are; all others are converted."""
    annotation: Any


class _Absent:
    """Type of the value of an argument that is not given."""


_ABSENT = _Absent()


def checks_of(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> list[Check]:
    """What is to be checked of the arguments of a command."""
    checks = []
    for one in parameters:
        annotation = resolved(function, one)
        if annotation is not None and _known(annotation):
            accepted = _as_they_are(annotation)
            if one.default is None:
                accepted.add(type(None))
            checks.append(Check(one.name, frozenset(accepted), annotation))
    return checks


def converter_of(checks: list[Check]) -> Converter | None:
    """What to do with the arguments of a command; None when there is nothing to check."""
    if not checks:
        return None
    each = [(one.name, one.accepted | {_Absent}, one.annotation) for one in checks]

    def convert(args: dict[str, Any]) -> None:
        for name, accepted, annotation in each:
            if type(args.get(name, _ABSENT)) not in accepted:
                args[name] = _converted(name, args[name], annotation)

    return convert


def resolved(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation as an object; None when there is none, or it cannot be evaluated."""
    if parameter.annotation is parameter.empty:
        return None
    holder = type("Holder", (), {"__annotations__": {"it": parameter.annotation}})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(holder, globalns=names)["it"]
    except Exception:  # noqa: BLE001 - names of `if TYPE_CHECKING`, or newer syntax than this interpreter's
        return None


def union_of(annotation: Any) -> tuple[Any, ...]:
    """The types of a union; of anything else, itself."""
    return typing.get_args(annotation) if typing.get_origin(annotation) in _UNIONS else (annotation,)


def _known(annotation: Any) -> bool:
    """Whether every part of it is something that can be converted to."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return True
    if origin in _UNIONS or origin in _CONTAINERS:
        return all(one is Ellipsis or _known(one) for one in inner)
    if annotation in (Any, None, type(None), *_CONTAINERS, *_ACCEPTED, *_FROM_TEXT):
        return True
    return isinstance(annotation, type) and _is_model(annotation)


def _is_model(kind: type) -> bool:
    return (
        issubclass(kind, enum.Enum)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "__struct_fields__")
        or callable(getattr(kind, "model_validate", None))
    )


def _as_they_are(annotation: Any) -> set[type]:
    """Types of values that need no look inside."""
    if annotation is None:
        return {type(None)}
    if typing.get_origin(annotation) in _UNIONS:
        return set().union(*map(_as_they_are, typing.get_args(annotation)))
    if annotation is Any:
        return {dict, list, str, int, float, bool, type(None)}
    return {type(None)} if annotation is type(None) else set(_ACCEPTED.get(annotation, ()))


def _converted(name: str, value: Any, annotation: Any) -> Any:
    if annotation is Any:
        return value
    if type(value) not in _JSON:  # it came as a binary part
        value = _without_array(value)
    try:
        if _msgspec is not None:
            try:
                return _msgspec.convert(value, annotation, strict=False, dec_hook=_from_model)
            except TypeError:  # msgspec does not know this type
                pass
        return _convert(value, annotation)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Misfit(f"`{name}` {_reason(error, value, annotation)}{_advice(name, value, annotation)}") from None


def _without_array(value: Any) -> Any:
    """Lists of numbers where the annotation knows no arrays."""
    return value.tolist() if hasattr(value, "tolist") and getattr(value, "ndim", None) else value


def _from_model(kind: Any, value: Any) -> Any:
    """For types that msgspec does not know itself."""
    if isinstance(kind, type) and issubclass(kind, pathlib.PurePath) and isinstance(value, str):
        return kind(value)
    if callable(getattr(kind, "model_validate", None)):
        return kind.model_validate(value)
    raise TypeError(f"cannot make {_name(kind)}")


def _convert(value: Any, annotation: Any) -> Any:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any or type(value) in _as_they_are(annotation):
        return value
    if origin in _UNIONS:
        return _first(value, inner)
    if origin is typing.Literal:
        if not any(type(value) is type(one) and value == one for one in inner):
            raise Misfit
        return value
    if annotation in _CONTAINERS or origin in _CONTAINERS:
        return _container(value, origin or annotation, inner)
    return _scalar(value, annotation)


def _first(value: Any, annotations: tuple[Any, ...]) -> Any:
    for one in annotations:
        try:
            return _convert(value, one)
        except (ValueError, TypeError, ArithmeticError):  # noqa: PERF203 - that is the question
            continue
    raise Misfit


def _container(value: Any, origin: Any, inner: tuple[Any, ...]) -> Any:
    made: Any = _CONTAINERS[origin]
    if type(value) is not (dict if made is dict else list):
        raise Misfit
    held: Any = value
    if not inner:
        return made(value)
    if made is dict:
        return {_convert(key, inner[0]): _convert(one, inner[1]) for key, one in held.items()}
    if made is tuple and inner[-1] is not Ellipsis:
        if len(inner) != len(value):
            raise Misfit(f"must have {len(inner)} values, not {len(value)}")
        return tuple(map(_convert, value, inner))
    return made(_convert(one, inner[0]) for one in value)


def _scalar(value: Any, kind: Any) -> Any:
    if kind in _FROM_TEXT and isinstance(value, str):
        return kind.fromisoformat(value.replace("Z", "+00:00")) if kind in _ISO else kind(value)
    if kind is decimal.Decimal and type(value) in (int, float):
        return decimal.Decimal(str(value))
    if kind in _ACCEPTED or not isinstance(kind, type):
        raise Misfit
    if issubclass(kind, enum.Enum):
        return kind(value)
    if callable(getattr(kind, "model_validate", None)):
        return _from_model(kind, value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _convert(one, hints.get(name, Any)) for name, one in value.items()})
    raise Misfit


def _reason(error: Exception, value: Any, annotation: Any) -> str:
    if type(value) in (str, int, float, bool, type(None)) or not str(error):
        text = dumps(value, ensure_ascii=False, default=lambda one: type(one).__name__)
        shown = text if len(text) <= 60 else text[:57] + "…"
        return f"must be {_name(annotation)}, not {shown}"
    return f"must be {_name(annotation)}: {error}"


def _advice(name: str, value: Any, annotation: Any) -> str:
    """How to write what was probably meant, when it was text for a number or the other way round."""
    wanted = _as_they_are(annotation)
    if isinstance(value, str) and str not in wanted:
        try:
            meant = loads(value)
        except ValueError:
            return ""
        return f": write {name}:={value}" if type(meant) in wanted else ""
    if wanted == {str} and type(value) in (int, float):
        return f": write {name}={value}"
    return ""


def _name(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "one of " + ", ".join(dumps(one.value, default=str) for one in list(annotation)[:20])
    if typing.get_origin(annotation) is typing.Literal:
        return "one of " + ", ".join(dumps(one, default=str) for one in typing.get_args(annotation)[:20])
    return inspect.formatannotation(annotation).replace("typing.", "")
