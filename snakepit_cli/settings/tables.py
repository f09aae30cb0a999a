"""What the configuration file may hold: one Struct a table. None stands for a setting that it does not name.

`allowed` of a type is said in errors, the description of a field is shown by editors: the JSON Schema is generated.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from snakepit_cli.base import durations
from snakepit_cli.base.ids import MOST_AT_ONCE, MOST_WORKERS

LARGEST = 1 << 31
"""Of any number: 68 years, 2 GiB. Timers and frames can take no more."""
_NO_NUL = r"^[^\u0000]*$"
_SOME = r"^[^\u0000]+$"


class Seconds(float):
    """A number of seconds, or a duration as people write it."""


def from_toml(kind: type, value: Any) -> Any:
    """For msgspec: what is no type of its own. Raises ValueError."""
    if kind is not Seconds:
        raise NotImplementedError
    seconds = durations.parse(value) if isinstance(value, str) else value
    if type(seconds) not in {int, float} or not 0 < seconds <= LARGEST:
        raise ValueError(f"{value!r} is not a time")
    return Seconds(seconds)


def to_schema(kind: type) -> dict[str, Any]:
    """For msgspec: the JSON Schema of what is no type of its own."""
    if kind is not Seconds:
        raise NotImplementedError
    number = {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST}
    text = {"type": "string", "pattern": r"^\s*([0-9.]+(ms|s|m|h|d))+\s*$|^\s*[0-9.]+\s*$"}
    return {"anyOf": [number, text]}


def _allowed(text: str) -> dict[str, str]:
    return {"allowed": text}


Time = Annotated[Seconds, Meta(extra=_allowed('seconds, or a duration such as "250ms", "90s" or "1h30m", above 0'))]
Positive = Annotated[int, Meta(gt=0, le=LARGEST, extra=_allowed(f"a whole number from 1 to {LARGEST:,}"))]
Limit = Annotated[int, Meta(ge=0, le=LARGEST, extra=_allowed(f"a whole number from 0 to {LARGEST:,}"))]
Text = Annotated[str, Meta(pattern=_SOME, extra=_allowed("a string that is not empty, without NUL characters"))]
Argument = Annotated[str, Meta(pattern=_NO_NUL, extra=_allowed("a string without NUL characters"))]
Texts = Annotated[list[Argument], Meta(extra=_allowed("a list of strings"))]
Variables = Annotated[dict[str, Argument], Meta(extra=_allowed("a table of strings"))]
Size = Annotated[int, Meta(ge=1, le=MOST_WORKERS, extra=_allowed(f"a whole number from 1 to {MOST_WORKERS}"))]
Spare = Annotated[int, Meta(ge=0, lt=MOST_WORKERS, extra=_allowed(f"a whole number from 0 to {MOST_WORKERS - 1}"))]
Capacity = Annotated[int, Meta(ge=1, le=MOST_AT_ONCE, extra=_allowed(f"a whole number from 1 to {MOST_AT_ONCE}"))]
Module = Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", extra=_allowed("the name of a Python module"))]
Modules = Annotated[list[Module], Meta(extra=_allowed("a list of names of Python modules"))]
PoolName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$",
        extra=_allowed("1 to 32 letters, digits, `.`, `_` or `-`, and begin with a letter or digit"),
    ),
]
JsonSchema = Annotated[dict[str, Any], Meta(extra=_allowed("a JSON Schema: a table"))]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class ServerTable(Table, frozen=True, kw_only=True):
    """The server of an instance."""

    idle_timeout: (
        Annotated[Time, Meta(description="A server that `up` did not start ends after so long without use.")]
        | UnsetType
    ) = UNSET
    max_message_bytes: Annotated[Positive, Meta(description="The largest arguments, result or chunk.")] | UnsetType = (
        UNSET
    )
    shared_memory_bytes: (
        Annotated[Limit, Meta(description="Shared memory for large payloads; default: a quarter of /dev/shm; 0: none.")]
        | UnsetType
    ) = UNSET
    spool_max_bytes: Annotated[Positive, Meta(description="Bytes kept of one detached stream.")] | UnsetType = UNSET
    spool_keep: (
        Annotated[Time, Meta(description="How long a detached stream can be read after its end.")] | UnsetType
    ) = UNSET


class SessionTable(Table, frozen=True, kw_only=True):
    """Sessions, and what is kept in them."""

    ttl: Annotated[Time, Meta(description="How long a session is kept after its last use.")] | UnsetType = UNSET
    cleanup_interval: Annotated[Time, Meta(description="How often ended sessions are removed.")] | UnsetType = UNSET
    max_sessions: Annotated[Positive, Meta(description="Sessions at a time.")] | UnsetType = UNSET
    max_variables: Annotated[Positive, Meta(description="Variables of a session.")] | UnsetType = UNSET
    max_programs: Annotated[Positive, Meta(description="Programs of a session, and global ones.")] | UnsetType = UNSET
    max_bytes: (
        Annotated[Positive, Meta(description="Bytes of the values of a session, and of its older versions.")]
        | UnsetType
    ) = UNSET
    history: Annotated[Positive, Meta(description="Versions kept of a variable.")] | UnsetType = UNSET


class LimitsTable(Table, frozen=True, kw_only=True):
    """Limits of every pool, or of one. What is missing has the default of `core.limits`."""

    queue_size: Annotated[Positive, Meta(description="Calls that may wait.")] | UnsetType = UNSET
    queue_timeout: Annotated[Time, Meta(description="How long a call waits for a free worker.")] | UnsetType = UNSET
    request_timeout: Annotated[Time, Meta(description="Of a call that names none.")] | UnsetType = UNSET
    stream_timeout: Annotated[Time, Meta(description="Of a stream that names none.")] | UnsetType = UNSET
    startup_timeout: Annotated[Time, Meta(description="From the start of a worker to its hello.")] | UnsetType = UNSET
    cancel_grace: Annotated[Time, Meta(description="How long a cancelled handler may go on.")] | UnsetType = UNSET
    stop_grace: Annotated[Time, Meta(description="From SIGTERM to SIGKILL.")] | UnsetType = UNSET
    silence_timeout: (
        Annotated[Time, Meta(description="How long a worker may neither answer a probe nor compute.")] | UnsetType
    ) = UNSET
    max_calls: Annotated[Limit, Meta(description="Calls after which a worker is replaced; 0: never.")] | UnsetType = (
        UNSET
    )
    max_age: Annotated[Time, Meta(description="Age at which a worker is replaced.")] | UnsetType = UNSET
    max_memory: (
        Annotated[Limit, Meta(description="MiB of a worker and its children at which it is replaced; 0: never.")]
        | UnsetType
    ) = UNSET


class PoolTable(Table, frozen=True, kw_only=True):
    """A pool. It starts when it is first called."""

    adapter: Annotated[
        Text,
        Meta(description="As `up --adapter` takes it, or the name of one below [adapters]; relative to this file."),
    ] = "showcase"
    size: Annotated[Size, Meta(description="Workers; default: two for each processor.")] | None = None
    spare: Annotated[Spare, Meta(description="Workers kept idle beside those, to take over when one is lost.")] = 0
    capacity: Annotated[Capacity, Meta(description="Calls at a time in one worker.")] | None = None
    contain: Annotated[
        Literal["standard", "strict"],
        Meta(description="strict: each worker in a PID namespace of its own.", extra=_allowed("standard or strict")),
    ] = "standard"
    unserializable: Annotated[
        Literal["refuse", "mark"],
        Meta(
            description="What becomes of a part of a result that JSON cannot hold; mark: a marker with its type.",
            extra=_allowed("refuse or mark"),
        ),
    ] = "refuse"
    instance: Annotated[
        Literal["worker", "call"],
        Meta(
            description="Python: an adapter object for each worker, or a new one for each call.",
            extra=_allowed("worker or call"),
        ),
    ] = "worker"
    modules: Annotated[Modules, Meta(description="What the adapter `python` may use.")] = []
    python: Annotated[Text, Meta(description="The interpreter; relative to this file.")] | None = None
    env: Annotated[Variables, Meta(description="More variables of the workers' environment.")] = {}
    limits: LimitsTable = LimitsTable()


class AdapterTable(Table, frozen=True, kw_only=True):
    """An adapter in any language, by its command line."""

    executable: Annotated[Text, Meta(description="On PATH, or a path relative to this file.")]
    script: Annotated[Text, Meta(description="Its first argument; relative to this file.")] | None = None
    args: Annotated[Texts, Meta(description="Its further arguments.")] = []
    dialect: Annotated[
        Literal["grpc", "lines", "json"],
        Meta(
            description="grpc: a worker that dials in; lines, json: as with exec: and exec-json:.",
            extra=_allowed("grpc, lines or json"),
        ),
    ] = "grpc"
    directory: Annotated[Text, Meta(description="Where it runs; default: where `up` was called.")] | None = None
    env: Annotated[Variables, Meta(description="More variables of its environment.")] = {}
    commands: Annotated[Texts, Meta(description="What may be called; default: what the worker offers.")] | None = None
    timeouts: Annotated[
        dict[str, Time],
        Meta(description="Command → timeout of calls that name none.", extra=_allowed("a table of times")),
    ] = {}
    required: Annotated[
        dict[str, Texts],
        Meta(description="Command → arguments it cannot do without.", extra=_allowed("a table of lists of strings")),
    ] = {}
    schemas: Annotated[
        dict[str, JsonSchema],
        Meta(description="Command → JSON Schema of its arguments.", extra=_allowed("a table of JSON Schemas")),
    ] = {}


class File(Table, frozen=True, kw_only=True):
    """Configuration of snakepit."""

    server: ServerTable = ServerTable()
    session: SessionTable = SessionTable()
    limits: LimitsTable = LimitsTable()
    pools: dict[PoolName, PoolTable] = {}
    adapters: dict[str, AdapterTable] = {}


def convert(value: Any, kind: Any) -> Any:
    """A value of the file as a `kind`. Raises msgspec.ValidationError, RecursionError."""
    return msgspec.convert(value, kind, dec_hook=from_toml)


def json_schema() -> dict[str, Any]:
    """Of the file, for editors."""
    return msgspec.json.schema(File, schema_hook=to_schema)
