"""Where in a value the part is that has no JSON form. Looked for only when writing has failed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from json import dumps
from typing import Any, Callable

from snakepit_bridge.forms import NoJsonForm, as_key, fields_of, name_of, plain

__all__ = ["NAN", "Place", "first_refused", "parts", "path"]

Place = Any
"""(place of what holds it, key); () at the top. The key is None for what a value was converted to."""
NAN = "is {}, which JSON cannot hold (`--nan null` makes it null)"
DEEPEST = 900
_MOST = 1_000_000
"""Parts that are looked at."""
_LONGEST = 200
"""Characters of a path."""
_SURROGATE = "holds half of a surrogate pair, which UTF-8 cannot hold"


def path(place: Place) -> str:
    """As `$.rows[3].price`."""
    words = []
    while place:
        place, key = place
        if key is not None:
            words.append(_step(key))
    text = "".join(["$", *reversed(words)])
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"


def _step(key: Any) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    text = key if isinstance(key, str) else str(plain(key))
    return f".{text}" if text.isidentifier() else f"[{dumps(text, ensure_ascii=False)}]"


def non_finite(number: float) -> str:
    """What is wrong with it, to be said after its place."""
    return NAN.format("NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity")


def parts(value: Any, form: Callable[[Any], Any] = plain) -> Iterable[tuple[Any, Any]]:
    """Keys and values of a container or an object with fields; `form` gives that of all others. Raises NoJsonForm."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    fields = fields_of(value)
    if fields is not None:
        return [(name, getattr(value, name, None)) for name in fields]
    return [(None, form(value))]


def first_refused(value: Any, *, nan_is_null: bool, form: Callable[[Any], Any] = plain) -> str | None:
    """Place and reason of the first part that cannot be written, in the order of writing; None when none is found."""
    place: Place = ()
    entered: list[tuple[Any, Place, Iterator[tuple[Any, Any]]]] = []
    one: Any = value
    for _ in range(_MOST):
        found = _fault(one, nan_is_null=nan_is_null)
        if found is not None:
            return f"{path(place)} {found}"
        if not isinstance(one, (str, int, float)) and one is not None:
            if (again := next((at for held, at, _ in entered if held is one), None)) is not None:
                return f"{path(place)} is {path(again)} again: the value contains itself"
            if len(entered) >= DEEPEST:
                return f"{path(place)} is nested more than {DEEPEST} levels deep"
            try:
                entered.append((one, place, iter(parts(one, form))))
            except NoJsonForm as error:
                return f"{path(place)} {error}"
        while entered:
            _, around, rest = entered[-1]
            following = next(rest, None)
            if following is not None:
                key, one = following
                place = (around, key)
                break
            entered.pop()
        else:
            return None
    return None


def _fault(one: Any, *, nan_is_null: bool) -> str | None:
    if isinstance(one, float):
        return None if nan_is_null or math.isfinite(one) else non_finite(one)
    if isinstance(one, str):
        return _SURROGATE if _is_broken(one) else None
    if isinstance(one, dict):
        for key in one:
            if isinstance(key, str):
                if _is_broken(key):
                    return f"has a key that {_SURROGATE}"
            elif key is not None and as_key(key) is None:
                return f"has a key of type {name_of(type(key))}; the keys of a JSON object are strings"
    return None


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
