"""What a client may ask besides calls: one frozen Struct a request, which is checked while it is decoded.

docs/reference/front-protocol.md says what each means. The tag, `op`, is the name of the class in lower case. A refusal
names the field, what is allowed and what was given.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.base.ids import MOST_AT_ONCE, MOST_WORKERS

LONGEST_NAME = 255
"""Bytes of the name of a command, pool or session."""
LONGEST_SECONDS = 1e9
_MOST_IDS = 10_000
_LONGEST_SHOWN = 60
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
Size = Annotated[int, Meta(ge=1, le=MOST_WORKERS, description=f"a whole number from 1 to {MOST_WORKERS}")]
Spare = Annotated[int, Meta(ge=0, lt=MOST_WORKERS, description=f"a whole number from 0 to {MOST_WORKERS - 1}")]
Capacity = Annotated[int, Meta(ge=1, le=MOST_AT_ONCE, description=f"a whole number from 1 to {MOST_AT_ONCE}")]
Contain = Annotated[Literal["standard", "strict"], Meta(description="standard or strict")]
Affinity = Annotated[
    Literal["hint", "strict_queue", "strict_fail_fast"], Meta(description="hint, strict_queue or strict_fail_fast")
]
Gate = Annotated[Literal["open", "paused", "closed"], Meta(description="open, paused or closed")]


class Op(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag=str.lower):
    """A request. Raises ValueError when a name has more bytes than it may."""

    def __post_init__(self) -> None:
        for field in ("command", "pool", "session", "worker"):
            check_name(field, getattr(self, field, None))


class Ping(Op, frozen=True, kw_only=True):
    pass


class Status(Op, frozen=True, kw_only=True):
    pass


class Workers(Op, frozen=True, kw_only=True):
    pool: Name | None = None


class Commands(Op, frozen=True, kw_only=True):
    pool: Name = "default"


class PoolRequest(Op, frozen=True, kw_only=True):
    """What a client asks of a pool. None leaves it to the configuration, or to the pool as it runs."""

    pool: Name = "default"
    adapter: Path | None = None
    size: Size | None = None
    spare: Spare | None = None
    capacity: Capacity | None = None
    contain: Contain | None = None
    python: Path | None = None
    """The client's own interpreter: Python workers run in it, unless the configuration names another."""
    interpreter: Path | None = None
    """The interpreter of Python workers, whatever the configuration says."""
    variables: Variables | None = None
    """Variables of the workers' environment, whatever the configuration says."""
    cwd: Path
    """Absolute: relative file names are meant from there."""
    env: Variables
    """What workers may see of the client's environment."""
    timeout: Seconds | None = None
    """How long the workers may take to get ready."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not paths.valid_name(self.pool):
            raise ValueError(f"`pool` must be {_POOL_NAME}, not {_shown(self.pool)}")


class Up(PoolRequest, frozen=True, kw_only=True):
    wait: Flag = True
    """Answer when the workers are ready."""


class Down(Op, frozen=True, kw_only=True):
    pool: Name
    timeout: Seconds | None = None


class Scale(Op, frozen=True, kw_only=True):
    pool: Name
    size: Size
    timeout: Seconds | None = None


class Admit(Op, frozen=True, kw_only=True):
    pool: Name
    gate: Gate


class Drain(Op, frozen=True, kw_only=True):
    pool: Name
    timeout: Seconds | None = None


class Replace(Op, frozen=True, kw_only=True):
    pool: Name | None = None
    worker: Name | None = None
    timeout: Seconds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.pool is None) == (self.worker is None):
            raise ValueError("one of `pool` and `worker` must be given")


class Explain(Op, frozen=True, kw_only=True):
    call: Annotated[int | str | None, Meta(description='the number of a call, or "last"')] = None
    count: Count = 20


class Detach(Op, frozen=True, kw_only=True):
    command: Name
    args: Text
    cwd: Path
    pool: Name = "default"
    session: Session | None = None
    timeout: Seconds | None = None
    affinity: Affinity = "hint"


class Streams(Op, frozen=True, kw_only=True):
    pass


class Tail(Op, frozen=True, kw_only=True):
    id: Text
    start: Annotated[
        Annotated[int, Meta(ge=0, le=1 << 62)] | Annotated[str, Meta(pattern="^(start|end|[0-9]{1,18})$")],
        Meta(description='"start", "end" or a number of chunks to leave out'),
    ] = msgspec.field(default="start", name="from")


class Wait(Op, frozen=True, kw_only=True):
    ids: Annotated[list[Text], Meta(max_length=_MOST_IDS, description=f"a list of at most {_MOST_IDS:,} strings")]
    timeout: Seconds | None = None


class Cancel(Op, frozen=True, kw_only=True):
    id: Annotated[int | str, Meta(description="the name of a stream or the number of a call")]


class Shutdown(Op, frozen=True, kw_only=True):
    timeout: Seconds | None = None
    if_idle: Flag = False


class Restart(Op, frozen=True, kw_only=True):
    timeout: Seconds | None = None


class Reap(Op, frozen=True, kw_only=True):
    dry_run: Flag


Request = (
    Ping | Status | Workers | Commands | Up | Down | Scale | Admit | Drain | Replace | Explain
    | Detach | Streams | Tail | Wait | Cancel | Shutdown | Restart | Reap
)  # fmt: skip
OPS: dict[str, type[Op]] = {one.__name__.lower(): one for one in get_args(Request)}
_POOL_NAME = "1 to 32 letters, digits, `.`, `_` or `-`, and begin with a letter or digit"
_decode = msgspec.json.Decoder(Request).decode
_AT = re.compile(r"`\$\.(\w+)")


def decode(body: bytes) -> Request:
    """Raises PitError `usage`."""
    try:
        request: Request = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PitError("usage", _why(body, error)) from None
    return request


def check_name(field: str, value: str | None) -> None:
    """Raises ValueError when a name has more bytes than it may."""
    if value is not None and len(value) * 4 > LONGEST_NAME and len(value.encode()) > LONGEST_NAME:
        raise ValueError(f"`{field}` must have at most {LONGEST_NAME} bytes")


def _why(body: bytes, error: Exception) -> str:
    given = _object(body)
    if isinstance(given, str):
        return f"malformed query: {given}"
    name = given.get("op")
    known = OPS.get(name) if isinstance(name, str) else None
    if known is None:
        return f"malformed query: `op` must be one of {', '.join(OPS)}, not {_shown(name)}"
    return f"malformed query {name}: {why(known, body, error)}"


def why(struct: type[msgspec.Struct], body: bytes, error: Exception) -> str:
    """Why `body` is not a `struct`, in words for people. `error` is what msgspec says of it."""
    given, allowed, said = _object(body), _allowed(struct), str(error)
    if isinstance(given, str):
        return given
    if found := re.search(r"unknown field `([^`]*)`", said):
        return f"unknown field `{found[1]}` (known here: {', '.join(allowed) or 'none'})"
    if found := re.search(r"missing required field `([^`]*)`", said):
        return f"`{found[1]}` is missing; it must be {allowed.get(found[1], 'given')}"
    found = _AT.search(said)
    if found is None or found[1] not in allowed:
        return said
    return f"`{found[1]}` must be {allowed[found[1]]}, not {_shown(given.get(found[1]))}"


def _object(body: bytes) -> dict[str, Any] | str:
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


def _shown(value: object) -> str:
    """Without what is inside of it: an environment has secrets."""
    if isinstance(value, dict | list):
        return "this object" if isinstance(value, dict) else "this list"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
