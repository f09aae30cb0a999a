"""Types of the fields of requests, and why a request is refused, in words for people.

A refusal names the field, what is allowed and what was given.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from snakepit_cli.base.ids import MOST_AT_ONCE, MOST_WORKERS

LONGEST_NAME = 255
"""Bytes of the name of a command, pool or session."""
LONGEST_SECONDS = 1e9
MOST_IDS = 10_000
_LONGEST_SHOWN = 60
_AT = re.compile(r"`\$\.(\w+)")
_NO_NUL = r"^[^\x00]*$"

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME, description=f"a string of 1 to {LONGEST_NAME} bytes")]
Session = Annotated[str, Meta(max_length=LONGEST_NAME, description=f"a string of at most {LONGEST_NAME} bytes")]
Seconds = Annotated[float, Meta(ge=0, le=LONGEST_SECONDS, description="a number of seconds from 0 to 1,000,000,000")]
Count = Annotated[int, Meta(ge=0, le=1 << 31, description="a whole number, at least 0")]
Flag = Annotated[bool, Meta(description="true or false")]
Text = Annotated[str, Meta(description="a string")]
Path = Annotated[str, Meta(pattern=_NO_NUL, description="a string without NUL characters")]
Variables = Annotated[
    dict[Annotated[str, Meta(pattern=_NO_NUL)], Annotated[str, Meta(pattern=_NO_NUL)]],
    Meta(description="an object of strings without NUL characters"),
]
CallMetadata = Annotated[dict[str, str], Meta(max_length=32, description="an object of at most 32 strings")]
Size = Annotated[int, Meta(ge=1, le=MOST_WORKERS, description=f"a whole number from 1 to {MOST_WORKERS}")]
Spare = Annotated[int, Meta(ge=0, lt=MOST_WORKERS, description=f"a whole number from 0 to {MOST_WORKERS - 1}")]
Capacity = Annotated[int, Meta(ge=1, le=MOST_AT_ONCE, description=f"a whole number from 1 to {MOST_AT_ONCE}")]
Contain = Annotated[Literal["standard", "strict"], Meta(description="standard or strict")]
Affinity = Annotated[
    Literal["hint", "strict_queue", "strict_fail_fast"], Meta(description="hint, strict_queue or strict_fail_fast")
]
Gate = Annotated[Literal["open", "paused", "closed"], Meta(description="open, paused or closed")]


class Op(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag=str.lower):
    """A request; its tag, `op`, is the name of the class. Raises ValueError when a name has more bytes than it may."""

    def __post_init__(self) -> None:
        for field in ("command", "pool", "session", "worker"):
            check_name(field, getattr(self, field, None))


def check_name(field: str, value: str | None) -> None:
    """Raises ValueError when a name has more bytes than it may."""
    if value is not None and len(value) * 4 > LONGEST_NAME and len(value.encode()) > LONGEST_NAME:
        raise ValueError(f"`{field}` must have at most {LONGEST_NAME} bytes")


def why(struct: type[msgspec.Struct], body: bytes, error: Exception) -> str:
    """Why `body` is not a `struct`, in words for people. `error` is what msgspec says of it."""
    given, allowed, said = json_object(body), _allowed(struct), str(error)
    if isinstance(given, str):
        return given
    if found := re.search(r"unknown field `([^`]*)`", said):
        return f"unknown field `{found[1]}` (known here: {', '.join(allowed) or 'none'})"
    if found := re.search(r"missing required field `([^`]*)`", said):
        return f"`{found[1]}` is missing; it must be {allowed.get(found[1], 'given')}"
    found = _AT.search(said)
    if found is None or found[1] not in allowed:
        return said
    return f"`{found[1]}` must be {allowed[found[1]]}, not {shown(given.get(found[1]))}"


def json_object(body: bytes) -> dict[str, Any] | str:
    """The JSON object, or why it is none."""
    try:
        given = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as unreadable:
        return f"it must be a JSON object: {unreadable}"
    return given if isinstance(given, dict) else "it must be a JSON object"


@cache
def _allowed(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Field as it is sent → what it may be."""
    hints = get_type_hints(struct, include_extras=True)
    return {
        sent: _description(hints[name]) or "a string"
        for name, sent in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    }


def _description(hint: Any) -> str | None:
    for one in getattr(hint, "__metadata__", ()):
        if isinstance(one, Meta) and one.description:
            return one.description
    return next((text for one in get_args(hint) if (text := _description(one))), None)


def shown(value: object) -> str:
    """Without what is inside of it: an environment has secrets."""
    if isinstance(value, dict | list):
        return "this object" if isinstance(value, dict) else "this list"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
