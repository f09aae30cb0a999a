"""Where a value holds NaN or an infinity, which have no JSON form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, Callable

__all__ = ["find"]

_LEAVES = frozenset({str, int, bool, type(None), bytes})
Place = Any
"""(place of what holds it, key); () at the top."""


def find(value: Any, plain: Callable[[Any], Any]) -> str | None:
    """The place of the first, as ` (at .rows[3].price)`; None when there is none. `plain` is jsonio's."""
    waiting: list[tuple[Any, Place]] = [(value, ())]
    seen: set[int] = set()
    kept = []  # a value that `plain` has made must keep its id
    while waiting:
        one, place = waiting.pop()
        if isinstance(one, float):
            if not math.isfinite(one):
                return _text(place)
            continue
        if type(one) in _LEAVES or id(one) in seen:
            continue
        seen.add(id(one))
        kept.append(one)
        for key, inner in _inside(one, plain):
            if type(inner) not in _LEAVES and not (type(inner) is float and math.isfinite(inner)):
                waiting.append((inner, (place, key)))
    return None


def _inside(value: Any, plain: Callable[[Any], Any]) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    fields = getattr(type(value), "__struct_fields__", None)
    if fields is None and dataclasses.is_dataclass(value):
        fields = [one.name for one in dataclasses.fields(value)]
    if fields is not None:
        return [(name, getattr(value, name, None)) for name in fields]
    try:
        return [(None, plain(value))]
    except Exception:  # noqa: BLE001 - the encoder had a form for it, which holds no number
        return []


def _text(place: Place) -> str:
    words = []
    while place:
        place, key = place
        if key is not None:
            words.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return f" (at {''.join(reversed(words))})" if words else ""
