"""Python values as JSON text. What has no JSON form is refused, with its place in the value."""

from __future__ import annotations

import json
import math
from typing import Any

from snakepit_cli.base.errors import PitError

_NOT_TEXT = "holds half of a surrogate pair, which UTF-8 cannot hold"
_KEYS = (str, int, float, bool, type(None))
Found = tuple[str, str]
"""A place in a value, such as `$.rows[3].price`, and what is wrong with it."""


class JsonText(str):
    """JSON text of which the caller knows that it is valid. It is sent as it is, so no number changes its form."""

    __slots__ = ()


class PartText(JsonText):
    """JSON text of a value with a part, which is the only one of its message."""

    part: memoryview


def encode(value: Any, name: str) -> str:
    """`value` as JSON. Raises PitError `invalid_value`, which names `name` and the place in the value."""
    if isinstance(value, JsonText):
        return value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except RecursionError:
        raise PitError("invalid_value", f"{name}: it is nested too deeply, or contains itself") from None
    except (TypeError, ValueError) as error:
        place, reason = _wrong(value) or ("$", f"has no JSON form: {error}")
        raise PitError("invalid_value", f"{name}: {place} {reason}") from None
    return text


def members(fields: dict[str, Any]) -> str:
    """A JSON object of those fields that are not None; JsonText among them, or in an object of one, stays as it is."""
    found = (f"{json.dumps(key)}:{encode(value, key)}" for key, value in fields.items() if value is not None)
    return f"{{{','.join(found)}}}"


def _wrong(value: Any) -> Found | None:
    """The first part that has no JSON form. Its caller knows that there is one, and that the nesting has an end."""
    waiting: list[tuple[str, Any]] = [("$", value)]
    seen: set[int] = set()
    while waiting:
        place, one = waiting.pop()
        if reason := _reason(one):
            return place, reason
        if isinstance(one, dict | list | tuple) and id(one) not in seen:
            seen.add(id(one))
            for key, inner in _inside(one):
                if isinstance(one, dict) and not isinstance(key, _KEYS):
                    return place, f"has a key of type {type(key).__name__}"
                waiting.append((f"{place}{_step(key)}", inner))
    return None


def _inside(value: Any) -> list[tuple[Any, Any]]:
    """The last first: what is put on a stack comes off in its order."""
    return list(value.items() if isinstance(value, dict) else enumerate(value))[::-1]


def _step(key: Any) -> str:
    if type(key) is int:
        return f"[{key}]"
    text = str(key)
    return f".{text}" if text.isidentifier() else f"[{json.dumps(text, ensure_ascii=False)}]"


def _reason(value: Any) -> str | None:
    if isinstance(value, float):
        if math.isfinite(value):
            return None
        return f"is {'NaN' if math.isnan(value) else 'Infinity' if value > 0 else '-Infinity'}, which JSON cannot hold"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return _NOT_TEXT
        return None
    known = value is None or isinstance(value, int | dict | list | tuple)
    return None if known else f"is of type {type(value).__name__}, which has no JSON form"
