"""What can be asked about sessions, their variables and their programs: by clients and, from within a call, by workers.

docs/reference/front-protocol.md says what each means and answers. For a worker an empty `session` is the session of the
call that it serves; it can name no other.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from snakepit_cli.wire.fields import LONGEST_NAME, Count, Flag, Op, Seconds, Session, check_name

MOST_NAMES = 10_000
MOST_TEXT = 4096
"""Bytes of all metadata of one thing, as JSON."""
TYPES = ("float", "integer", "string", "boolean", "choice", "module", "embedding", "tensor", "map", "list")

Key = Annotated[
    str,
    Meta(
        min_length=1, max_length=LONGEST_NAME, pattern=r"^[^\x00]*$",
        description=f"a string of 1 to {LONGEST_NAME} bytes without NUL characters",
    ),
]  # fmt: skip
Keys = Annotated[list[Key], Meta(max_length=MOST_NAMES, description=f"a list of at most {MOST_NAMES:,} names")]
Pattern = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_NAME, description=f"a glob pattern of 1 to {LONGEST_NAME} bytes")
]
Version = Annotated[int, Meta(ge=0, le=1 << 53, description="the number of a version, at least 0")]
Revision = Annotated[int, Meta(ge=0, le=1 << 53, description="the number of a change in the session, at least 0")]
Labels = Annotated[
    dict[str, str | None], Meta(max_length=32, description="an object of at most 32 strings; null removes an entry")
]
Facts = Annotated[dict[str, Any], Meta(max_length=32, description="an object of at most 32 entries")]
Value = Annotated[msgspec.Raw, Meta(description="a JSON value")]
"""JSON text; of a variable perhaps a message with parts, see state_parts.py."""
Values = Annotated[
    dict[str, msgspec.Raw], Meta(max_length=MOST_NAMES, description=f"an object of at most {MOST_NAMES:,} values")
]
Versions = Annotated[dict[str, Version], Meta(max_length=MOST_NAMES, description="an object of versions")]


def _snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name).lstrip("_")


class StateOp(Op, frozen=True, kw_only=True, tag=_snake):
    """Raises ValueError when a name has more bytes than it may."""

    session: Session = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("name", "pattern", "id"):
            check_name(field, getattr(self, field, None))


# ------------------------------------------------------------------------------------------------ sessions


class SessionCreate(StateOp, frozen=True, kw_only=True):
    """An empty `session`: the server makes a name."""

    ttl: Seconds | None = None
    metadata: Labels | None = None


class SessionList(StateOp, frozen=True, kw_only=True):
    pattern: Pattern = "*"
    after: Count = 0
    """The `next` of the previous page."""
    limit: Annotated[int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10,000")] = 1000


class SessionShow(StateOp, frozen=True, kw_only=True):
    pass


class SessionTouch(StateOp, frozen=True, kw_only=True):
    pass


class SessionUpdate(StateOp, frozen=True, kw_only=True):
    ttl: Seconds | None = None
    metadata: Labels | None = None


class SessionRm(StateOp, frozen=True, kw_only=True):
    pass


class SessionStats(StateOp, frozen=True, kw_only=True):
    pass


class SessionGc(StateOp, frozen=True, kw_only=True):
    pass


# ----------------------------------------------------------------------------------------------- variables


class VarRegister(StateOp, frozen=True, kw_only=True):
    name: Key
    type: Annotated[str, Meta(description=f"one of {', '.join(TYPES)}")]
    value: Value
    constraints: Facts = msgspec.field(default_factory=dict)
    metadata: Facts = msgspec.field(default_factory=dict)
    ttl: Seconds | None = None
    """Seconds after its last change when it expires, independently of the session."""
    replace: Flag = False


class VarSet(StateOp, frozen=True, kw_only=True):
    name: Key
    value: Value
    metadata: Facts | None = None
    expect: Version | None = None
    create: Flag = True
    """Registers a variable that does not exist, of the type that its value suggests."""


class VarGet(StateOp, frozen=True, kw_only=True):
    name: Key
    binary: Flag = False
    """The answer may be a message with parts."""
    lease: Flag = False
    """For workers: the answer may be kept until it is invalidated or its lease ends."""


class VarList(StateOp, frozen=True, kw_only=True):
    pattern: Pattern = "*"


class VarRm(StateOp, frozen=True, kw_only=True):
    name: Key
    expect: Version | None = None


class VarMget(StateOp, frozen=True, kw_only=True):
    names: Keys
    binary: Flag = False


class VarMset(StateOp, frozen=True, kw_only=True):
    values: Values
    atomic: Flag = False
    create: Flag = True
    metadata: Facts | None = None
    expect: Versions | None = None


class VarExport(StateOp, frozen=True, kw_only=True):
    pattern: Pattern = "*"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A variable as `var_export` writes it; other fields are ignored."""

    name: Key
    type: str
    value: Value
    constraints: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    depends: list[str] = []
    ttl: Seconds | None = None


class VarImport(StateOp, frozen=True, kw_only=True):
    variables: Annotated[
        list[Exported],
        Meta(
            max_length=MOST_NAMES,
            description=f"a list of at most {MOST_NAMES:,} variables, each with name, type and value",
        ),
    ]


class VarWatch(StateOp, frozen=True, kw_only=True):
    pattern: Pattern = "*"
    version: Version | None = None
    """Of the variable that `pattern` names: this change and those after it."""
    after: Revision | None = None
    """Changes of the session after this one. Without both: those from now on."""


class VarHistory(StateOp, frozen=True, kw_only=True):
    name: Key
    limit: Annotated[int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10,000")] = 1000


class VarRollback(StateOp, frozen=True, kw_only=True):
    name: Key
    version: Version
    expect: Version | None = None


class VarDepend(StateOp, frozen=True, kw_only=True):
    name: Key
    on: Keys
    """All variables that it depends on; an empty list for none any more."""


# ------------------------------------------------------------------------------------------------ programs


class ProgramOp(StateOp, frozen=True, kw_only=True):
    everywhere: Flag = msgspec.field(default=False, name="global")
    """It belongs to no session: all can use it."""


class ProgramPut(ProgramOp, frozen=True, kw_only=True):
    id: Key
    data: Value
    create: Flag = False
    """Fails when it exists."""


class ProgramGet(ProgramOp, frozen=True, kw_only=True):
    id: Key


class ProgramList(ProgramOp, frozen=True, kw_only=True):
    pattern: Pattern = "*"


class ProgramRm(ProgramOp, frozen=True, kw_only=True):
    id: Key


# --------------------------------------------------------------------------------------------------- tools


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """Of a tool; as in `commands`."""

    name: str
    type: str = ""
    required: bool = False
    default: Any = None
    summary: str = ""


class Described(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool, by the worker that offers it."""

    name: str
    description: str = ""
    streaming: bool = False
    parameters: list[Parameter] = []
    metadata: dict[str, Any] = {}


class ToolRegister(StateOp, frozen=True, kw_only=True):
    """All or none. Only workers can."""

    tools: Annotated[list[Described], Meta(max_length=1000, description="a list of at most 1,000 tools")]


class ToolList(StateOp, frozen=True, kw_only=True):
    pattern: Pattern = "*"


class ToolShow(StateOp, frozen=True, kw_only=True):
    name: Key


class ToolRm(StateOp, frozen=True, kw_only=True):
    """By the worker that offers it."""

    name: Key


class ToolServe(StateOp, frozen=True, kw_only=True):
    """Admits a worker that the client starts; its commands become tools. Only clients can."""

    adapter: Annotated[str, Meta(max_length=4096, description="a string of at most 4,096 characters")] = ""


Request = (
    SessionCreate | SessionList | SessionShow | SessionTouch | SessionUpdate | SessionRm | SessionStats | SessionGc
    | VarRegister | VarSet | VarGet | VarList | VarRm | VarMget | VarMset | VarExport | VarImport | VarWatch
    | VarHistory | VarRollback | VarDepend
    | ProgramPut | ProgramGet | ProgramList | ProgramRm
    | ToolRegister | ToolList | ToolShow | ToolRm | ToolServe
)  # fmt: skip
