"""JSON with parts beside it: what a caller gets who takes messages with parts."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Any

from snakepit_bridge import jsonio, nonfinite
from snakepit_bridge.binary import Buffer
from snakepit_bridge.forms import NoJsonForm, plain
from snakepit_bridge.jsonio import _msgspec
from snakepit_bridge.parts import Writer
from snakepit_bridge.places import DEEPEST

__all__ = ["dumps"]

_BYTES = frozenset({bytes, bytearray, memoryview})
_LEAVES = frozenset({str, int, float, bool, type(None)})
_CONTAINERS = frozenset({list, tuple, set, frozenset, deque, dict})
_PLAIN = _LEAVES | _CONTAINERS
_OTHERS: frozenset[type] = frozenset({object})


class _HoldsBytes(Exception):  # noqa: N818 - not an error
    """A form holds bytes, which msgspec would write as text."""


def dumps(value: Any, parts: list[Buffer], *, nan_is_null: bool = False) -> bytes:
    """As jsonio.dumps; arrays and bytes are added to `parts`, and objects that name them are written in their place."""
    if type(value) in _BYTES:
        return jsonio.dumps(Writer(plain, parts, NoJsonForm).take(value), nan_is_null=nan_is_null)
    begun = len(parts)
    holds = _BYTES if _msgspec is None else _kinds_in(value)
    if holds is _PLAIN:
        return jsonio.dumps(value, nan_is_null=nan_is_null)
    if holds is _OTHERS:
        try:
            text: bytes = _msgspec.json.encode(value, enc_hook=Writer(_form, parts, NoJsonForm).take)
        except Exception:  # noqa: BLE001, S110 - the slow way names the cause
            pass
        else:
            if nan_is_null or b"null" not in text or not nonfinite.is_in(value, Writer(plain, [], NoJsonForm).take):
                return text

    def restart() -> None:
        del parts[begun:]

    restart()
    return jsonio.slow_dumps(
        value, nan_is_null=nan_is_null, form=Writer(plain, parts, NoJsonForm).take, restart=restart
    )  # fmt: skip


def _form(value: Any) -> Any:
    found = plain(value)
    if _kinds_in(found) is _BYTES:
        raise _HoldsBytes
    return found


def _kinds_in(value: Any) -> frozenset[Any]:
    """_PLAIN: only what JSON has. _OTHERS: also what msgspec asks about. _BYTES: perhaps bytes, too.

    Level by level, mostly in C. The last one also for a subclass of a container, or an object with fields: msgspec
    writes these without asking what becomes of the bytes in them. And for what is nested too deeply or contains itself.
    """
    kinds = {type(value)}
    level: list[Any] = [value]
    found = _PLAIN
    for _ in range(DEEPEST):
        if not kinds <= _PLAIN:
            odd = kinds - _PLAIN
            if not odd.isdisjoint(_BYTES) or any(_is_open(one) for one in odd):  # type: ignore[arg-type]  # a class can be hashed
                return _BYTES
            found = _OTHERS
        inner = kinds & _CONTAINERS
        if not inner:
            return found
        if len(kinds) > len(inner):
            level = [one for one in level if type(one) in inner]
        kinds = set(map(type, _inside(level, inner)))
        if not kinds <= _LEAVES:
            level = list(_inside(level, inner))
    return _BYTES


def _inside(level: list[Any], kinds: set[type]) -> Iterable[Any]:
    """What is in these containers."""
    if dict not in kinds:
        return chain.from_iterable(level)
    if len(kinds) == 1:
        return level[0].values() if len(level) == 1 else chain.from_iterable(map(dict.values, level))
    return chain.from_iterable(one.values() if type(one) is dict else one for one in level)


@lru_cache(maxsize=256)
def _is_open(kind: type) -> bool:
    """Whether msgspec writes it without asking. Kept: to ask a class for what it lacks makes an error message each."""
    return (
        issubclass(kind, (dict, list, tuple, set, frozenset, deque, bytes, bytearray, enum.Enum))
        or hasattr(kind, "__struct_fields__")
        or hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "__attrs_attrs__")
    )
