"""Whether a value holds NaN or an infinity, which have no JSON form: msgspec writes them as null without a word."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Callable

from snakepit_bridge import places
from snakepit_bridge.forms import plain

__all__ = ["is_in"]

_LEAVES = frozenset({str, int, bool, type(None), bytes})


def is_in(value: Any, form: Callable[[Any], Any] = plain) -> bool:
    """The value has been written, so that it does not contain itself. `form`: of what is no JSON type."""
    waiting: list[Any] = [(value,)]
    while waiting:
        one = waiting.pop()
        kind = type(one)
        for inner in one.values() if kind is dict else one if kind is list or kind is tuple else _inside(one, form):
            inner_kind = type(inner)
            if inner_kind is float:
                if inner - inner != 0.0:
                    return True
            elif inner_kind not in _LEAVES:
                waiting.append(inner)
    return False


def _inside(value: Any, form: Callable[[Any], Any]) -> Iterable[Any]:
    if isinstance(value, float):
        return () if math.isfinite(value) else (float(value),)
    try:
        return [inner for _, inner in places.parts(value, form)]
    except Exception:  # noqa: BLE001 - the encoder had a form for it, which holds no number
        return ()
