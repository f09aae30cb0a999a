"""JSON in and out, strictly: what goes in must be an object, what comes out must have a JSON form.

msgspec does the work when it can be imported. Whatever it refuses is tried again with the standard library, so that
both give the same answers and the same errors.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, Callable, NoReturn, cast

from snakepit_bridge import nonfinite

__all__ = ["InvalidJson", "NoJsonForm", "dumps", "loads_object"]


# An adapter may patch the module.
_std_dumps, _std_loads = json.dumps, json.loads
_NOT_FINITE = "NaN and the infinities have no JSON form"


class InvalidJson(ValueError):  # noqa: N818
    """The text is not a JSON object."""


class NoJsonForm(ValueError):  # noqa: N818
    """The value has no JSON form."""


def _load_msgspec() -> Any:
    try:
        import msgspec  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    return msgspec


_msgspec = _load_msgspec()


# ------------------------------------------------------------------------------------------------ in


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidJson(f"{text} is out of range")
    return number


def _slow_loads(data: bytes) -> Any:
    return _std_loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)


_fast_loads = cast("Callable[[bytes], Any]", _msgspec.json.Decoder().decode if _msgspec else _slow_loads)


def loads_object(data: bytes) -> dict[str, Any]:
    """Reads a JSON object; nothing at all counts as an empty one. Raises InvalidJson, never anything else."""
    if not data:
        return {}
    value = _loads(data, "the arguments are")
    if type(value) is not dict:
        raise InvalidJson(f"the arguments must be a JSON object, not {_json_name(value)}")
    return value


def loads(data: bytes) -> Any:
    """Reads any JSON value: one item of a block. Raises InvalidJson, never anything else."""
    if not data.strip():
        raise InvalidJson("the line is empty")
    return _loads(data, "the line is")


def _loads(data: bytes, what: str) -> Any:
    try:
        return _fast_loads(data)
    except RecursionError:
        raise InvalidJson(f"{what} nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise InvalidJson(f"{what} not valid JSON: {error}") from None


def loads_all(texts: list[bytes]) -> list[Any] | None:
    """Many values as quickly as can be; None when one of them is not JSON: read them one by one, then."""
    try:
        # Not msgspec's decode_lines: it would take `1 2` and an empty line for two values.
        return list(map(_fast_loads, texts))
    except (ValueError, OverflowError, RecursionError):
        return None


def _json_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), type(value).__name__)


# ------------------------------------------------------------------------------------------------ out


def dumps(value: Any) -> bytes:
    """Compact JSON in UTF-8, without line breaks. Raises NoJsonForm, never anything else of its own."""
    if _fast_dumps is not None:
        try:
            data = _fast_dumps(value)
        except Exception:  # noqa: BLE001 - the slow way names the cause
            return _slow_dumps(value)
        if b"null" in data and (place := nonfinite.find(value, _plain)) is not None:
            raise NoJsonForm(_NOT_FINITE + place)  # msgspec writes it as null
        return data
    return _slow_dumps(value)


def _slow_dumps(value: Any) -> bytes:
    try:
        return _write(value)
    except NoJsonForm:
        raise
    except RecursionError:
        raise NoJsonForm("the value contains itself or is nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise NoJsonForm(_cause(error, value)) from None


def _write(value: Any) -> bytes:
    how: Any = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":"), "default": _plain}
    try:
        return _std_dumps(value, **how).encode("utf-8")
    except TypeError as error:
        if not str(error).startswith("keys must be"):
            raise
    return _std_dumps(_with_texts_as_keys(value, ()), **how).encode("utf-8")


def _with_texts_as_keys(value: Any, around: tuple[int, ...]) -> Any:
    """The keys as msgspec writes them. `around` are the containers that this one is in."""
    if id(value) in around:
        raise NoJsonForm("the value contains itself")
    around = (*around, id(value))
    if isinstance(value, dict):
        return {_key(key): _with_texts_as_keys(one, around) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_with_texts_as_keys(one, around) for one in value]
    if isinstance(value, (str, int, float)) or value is None:
        return value
    return _with_texts_as_keys(_plain(value), around)


def _key(key: Any) -> Any:
    if isinstance(key, (str, int, float)) or key is None:
        return key
    special = _plain_standard(key)
    if special is None:
        raise NoJsonForm(f"{type(key).__module__}.{type(key).__qualname__} cannot be a key in JSON")
    return special[0]


def _cause(error: Exception, value: Any) -> str:
    text = str(error)
    if "not JSON compliant" in text:
        return _NOT_FINITE + (nonfinite.find(value, _plain) or "")
    return "the value contains itself" if "Circular reference" in text else text


def _plain(value: Any) -> Any:  # noqa: PLR0911 - a table
    """A JSON form for a value that is no JSON type."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        import base64

        return base64.b64encode(value).decode("ascii")
    special = _plain_standard(value)
    if special is not None:
        return special[0]
    kind = type(value)
    for method in ("tolist", "item"):  # numpy arrays and scalars, torch tensors, and types that imitate them
        if callable(getattr(kind, method, None)) and not isinstance(value, type):
            converted = getattr(value, method)()
            if type(converted) is not kind:
                return converted
    fields = getattr(kind, "__struct_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name in fields}
    if callable(getattr(kind, "model_dump", None)):
        return value.model_dump(mode="json")
    raise NoJsonForm(f"{kind.__module__}.{kind.__qualname__} has no JSON form{_instead(kind)}")


def _instead(kind: type) -> str:
    """What to return, when the class has a method that makes it."""
    if callable(getattr(kind, "to_dicts", None)):
        return "; return .to_dicts()"
    return '; return .to_dict("records")' if hasattr(kind, "iterrows") and hasattr(kind, "to_dict") else ""


def _plain_standard(value: Any) -> tuple[Any] | None:  # noqa: PLR0911 - a table
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
        return (text[:-6] + "Z" if text.endswith("+00:00") else text,)
    if isinstance(value, datetime.date):
        return (value.isoformat(),)
    if isinstance(value, datetime.timedelta):
        return (_duration(value),)
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return (str(value),)
    if isinstance(value, os.PathLike):
        return (os.fspath(value),)
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


def _make_fast_dumps() -> Callable[[Any], bytes] | None:
    if _msgspec is None:
        return None
    return cast("Callable[[Any], bytes]", _msgspec.json.Encoder(enc_hook=_plain).encode)


_fast_dumps = _make_fast_dumps()
quick_dumps: Callable[[Any], bytes] = _fast_dumps or dumps
"""As `dumps`, but what it raises may be anything, and it may write NaN and the infinities as null."""
