"""The innermost loops of bulk work, written for one command each.

A loop takes a run of items and appends the answers. It looks neither at the clock nor for a cancel, and has no `try`
around a handler: who calls it arms the interrupt for the whole run, and sees by the number of answers which item has
failed. So a healthy item costs hardly more than `encode(method(**decode(line)))`, or less: where msgspec can check the
arguments while it reads them, no dict of them is made.
"""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Union

from snakepit_bridge import jsonio

if TYPE_CHECKING:
    from snakepit_bridge.arguments import Bound

__all__ = ["Loop", "general", "typed"]

Run = Callable[[list[Any], list[bytes]], Union[tuple[Any], None]]
"""Takes items and the list of answers. Returns what a handler gave when it has to be looked at: its answer is not in
the list, and the items after it have not begun. What it raises is about the item that has no answer."""


class Loop(NamedTuple):
    """A loop over lines."""

    run: Run
    read: Callable[[bytes], Any]

    def takes(self, line: bytes) -> bool:
        """Whether the handler was begun for this line: it was read, and fits."""
        try:
            self.read(line)
        except Exception:  # noqa: BLE001 - the general loop says why
            return False
        return True


SMALL = 1 << 16
"""Bytes that surely fit into a message."""
_READY = frozenset({dict, list, tuple, str, bool, int, float, type(None)})
"""Types of values that are encoded as they are. A generator or an awaitable must not be mistaken for something else."""
_SCALARS = frozenset({str, bool, int, float, type(None)})

# A null may stand for NaN, which only the value can tell. Looking for the one byte first is four times as quick.
_SOURCE = """
def loop(run, out):
    for item in run:
        {call}
        if type(value) not in ready:
            return (value,)
        try:
            data = encode(value)
        except Exception:
            return (value,)
        if len(data) >= small or (110 in data and data.find(b"null") >= 0):
            return (value,)
        out.append(data)
"""


def _made(call: str, **names: Any) -> Run:
    names.update(ready=_READY, encode=jsonio.quick_dumps, small=SMALL)
    # A call written out is a third quicker than one with `**`. All that comes from outside are names of parameters.
    exec(compile(_SOURCE.format(call=call), __file__, "exec"), names)  # noqa: S102
    made: Run = names["loop"]
    return made


def general(bound: Bound) -> Run:
    """Over dicts of arguments, for a method that takes keywords and nothing else."""
    if bound.convert is None:
        return _made("value = method(**item)", method=bound.plain)
    return _made("convert(item); value = method(**item)", method=bound.plain, convert=bound.convert)


def typed(bound: Bound, fixed: dict[str, Any], name: str, *, objects: bool) -> Loop | None:
    """Over lines of JSON, for a method whose arguments msgspec can check. None when it has to be `general`.

    `objects`: the lines are arguments, merged over `fixed`; else each becomes the argument `name`.
    """
    msgspec = jsonio._msgspec  # noqa: SLF001 - the bridge has one way to find it
    if msgspec is None or not _is_what_it_says(bound.plain):
        return None
    fields = _fields(bound, fixed)
    if fields is None:
        return None
    return _over_objects(msgspec, bound.plain, fields) if objects else _over_values(msgspec, bound.plain, fields, name)


def _is_what_it_says(method: Any) -> bool:
    """Its signature is that of its code, so that a default may be given instead of left out."""
    function = method.__func__ if type(method) is MethodType else method
    return type(function) is FunctionType and not hasattr(function, "__signature__")


class _Field(NamedTuple):
    name: str
    type: Any
    default: tuple[Any] | None
    """None: it is required."""


def _fields(bound: Bound, fixed: dict[str, Any]) -> list[_Field] | None:
    """The parameters; None when arguments need more than a look at their types."""
    fields = []
    for one in bound.command.parameters:
        accepted = bound.accepted.get(one.name)
        kind: Any = Any if accepted is None or dict in accepted else Union[tuple(accepted)] if accepted else None
        default = None if one.default is one.empty else (one.default,)
        if one.name in fixed:
            default = (fixed[one.name],)
            if accepted is not None and type(fixed[one.name]) not in accepted:
                return None
        # Any other default could be changed by a handler, and must be the same object each time.
        if kind is None or (default is not None and type(default[0]) not in _SCALARS):
            return None
        fields.append(_Field(one.name, kind, default))
    return fields if fixed.keys() <= {one.name for one in fields} else None


def _over_objects(msgspec: Any, method: Any, fields: list[_Field]) -> Loop:
    # Fields have names of their own: an argument may be called like something that a struct has.
    names = {f"f{number}": one for number, one in enumerate(fields)}
    members = [(name, one.type, *(one.default or ())) for name, one in names.items()]
    renamed = {name: one.name for name, one in names.items()}
    struct = msgspec.defstruct("Arguments", members, rename=renamed, kw_only=True, forbid_unknown_fields=True, gc=False)
    read = msgspec.json.Decoder(struct).decode
    arguments = ", ".join(f"{one.name}=item.{name}" for name, one in names.items())
    return Loop(_made(f"item = read(item); value = method({arguments})", method=method, read=read), read)


def _over_values(msgspec: Any, method: Any, fields: list[_Field], name: str) -> Loop | None:
    kinds = next((one.type for one in fields if one.name == name), Any)
    others = [one for one in fields if one.name != name]
    if kinds is Any or any(one.default is None for one in others):
        return None
    read = msgspec.json.Decoder(kinds).decode
    fixed = {f"f{number}": one for number, one in enumerate(others)}
    arguments = ", ".join([f"{name}=read(item)", *(f"{one.name}={key}" for key, one in fixed.items())])
    values = {key: one.default[0] for key, one in fixed.items() if one.default is not None}
    return Loop(_made(f"value = method({arguments})", method=method, read=read, **values), read)
