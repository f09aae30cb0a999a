"""What a client may ask besides calls: one frozen Struct a request, which is checked while it is decoded.

docs/reference/front-protocol.md says what each means. The tag, `op`, is the name of the class in snake case.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast, get_args

import msgspec
from msgspec import Meta

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.wire import state, state_parts
from snakepit_cli.wire.binary import is_message
from snakepit_cli.wire.fields import (
    MOST_IDS,
    Affinity,
    CallMetadata,
    Capacity,
    Contain,
    Count,
    Flag,
    Gate,
    Name,
    Op,
    Path,
    Seconds,
    Session,
    Size,
    Spare,
    Text,
    Variables,
    json_object,
    shown,
    why,
)


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
            raise ValueError(f"`pool` must be {_POOL_NAME}, not {shown(self.pool)}")


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


class Segments(Op, frozen=True, kw_only=True):
    """A client asks for room in shared memory, for its arguments."""

    bytes: Annotated[int, Meta(ge=0, le=1 << 62, description="a whole number, at least 0")]
    """The bytes of all its segments together."""
    wait: Seconds = 0.0
    """How long the answer may take until there is room."""


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
    nan: Literal["refuse", "null"] = "refuse"
    metadata: CallMetadata | None = None


class Streams(Op, frozen=True, kw_only=True):
    pass


class Tail(Op, frozen=True, kw_only=True):
    id: Text
    start: Annotated[
        Annotated[int, Meta(ge=0, le=1 << 62)] | Annotated[str, Meta(pattern="^(start|end|[0-9]{1,18})$")],
        Meta(description='"start", "end" or a number of chunks to leave out'),
    ] = msgspec.field(default="start", name="from")


class Wait(Op, frozen=True, kw_only=True):
    ids: Annotated[list[Text], Meta(max_length=MOST_IDS, description=f"a list of at most {MOST_IDS:,} strings")]
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
    Ping | Status | Workers | Commands | Segments | Up | Down | Scale | Admit | Drain | Replace | Explain
    | Detach | Streams | Tail | Wait | Cancel | Shutdown | Restart | Reap
    | state.Request
)  # fmt: skip
OPS: dict[str, type[Op]] = {str(one.__struct_config__.tag): one for one in get_args(Request)}
_POOL_NAME = "1 to 32 letters, digits, `.`, `_` or `-`, and begin with a letter or digit"
_decode = msgspec.json.Decoder(Request).decode


def decode(body: bytes) -> Request:
    """JSON, or a message with parts. Raises PitError `usage`."""
    if is_message(body):
        return cast("Request", state_parts.decode(body, decode))
    try:
        request: Request = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PitError("usage", _why(body, error)) from None
    return request


def _why(body: bytes, error: Exception) -> str:
    given = json_object(body)
    if isinstance(given, str):
        return f"malformed query: {given}"
    name = given.get("op")
    known = OPS.get(name) if isinstance(name, str) else None
    if known is None:
        return f"malformed query: `op` must be one of {', '.join(OPS)}, not {shown(name)}"
    return why(known, body, error)
