"""A call in flight, its caller, and where its time went."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from snakepit_cli.base.errors import PitError
from snakepit_cli.core.events import Affinity
from snakepit_cli.server.calls.credit import Credit
from snakepit_cli.wire import fields
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.binary import is_message
from snakepit_cli.wire.fields import LONGEST_NAME, check_name
from snakepit_cli.wire.front import MOST_BATCH
from snakepit_cli.wire.reference import ReferenceField


class Header(msgspec.Struct, frozen=True):
    """First line of a call frame; docs/reference/front-protocol.md says what the fields mean.

    Raises ValueError when a name has more bytes than it may.
    """

    version: str
    command: Annotated[str, Meta(description=f"a string of at most {LONGEST_NAME} bytes")]
    cwd: fields.Text
    pool: fields.Name = "default"
    session: fields.Session | None = None
    timeout: Annotated[float, Meta(description="a number of seconds")] | None = None
    stream: fields.Flag = False
    items: fields.Count | None = None
    """For `map`: how many lines follow the arguments, each an item to run the command for."""
    item: fields.Text = "item"
    text: bool = False
    careful: bool = False
    calls: fields.Flag = False
    """Each item is a call that could have come alone: what is checked of calls holds for it."""
    batch: Annotated[int, Meta(ge=0, le=MOST_BATCH, description=f"a number of items, at most {MOST_BATCH}")] = 0
    """How many items a call of the handler takes; 0 for one."""
    affinity: Annotated[Affinity, Meta(description="hint, strict_queue or strict_fail_fast")] = Affinity.HINT
    idempotent: bool = False
    nan: Annotated[Literal["refuse", "null"], Meta(description="refuse or null")] = "refuse"
    """What becomes of NaN and the infinities in the answer."""
    tool: fields.Flag = False
    """`command` is a tool of the session."""
    metadata: fields.CallMetadata | None = None
    binary: fields.Flag = False
    """The answer may be a message with parts."""
    references: fields.Flag = False
    """The caller can read segments: what it is answered with may be references."""
    args_ref: ReferenceField | None = None
    """Where the arguments are, when they do not follow the header."""
    items_ref: ReferenceField | None = None
    """Where the items are, when they do not follow the arguments."""

    @property
    def refers(self) -> bool:
        """What the worker needs is in a file."""
        return self.args_ref is not None or self.items_ref is not None

    def __post_init__(self) -> None:
        check_name("command", self.command)
        check_name("pool", self.pool)
        check_name("session", self.session)


class Runner(Protocol):
    """What runs a call that it has accepted."""

    def cancel(self, call: Call) -> None: ...

    def resume(self, call: Call) -> None:
        """The caller reads again."""


class Lent(Protocol):
    """A payload in a segment, which belongs to who reads it until it is released."""

    @property
    def ref(self) -> pb.Reference: ...

    def release(self) -> None: ...


class Caller(Protocol):
    """The connection a call came from. None of these waits."""

    @property
    def congested(self) -> bool:
        """Its reader is slower than we are: produce no more for now."""

    def result(self, request: int, value: bytes) -> None: ...

    def error(self, request: int, error: PitError) -> None: ...

    def chunks(self, request: int, lines: bytes) -> None: ...

    def note(self, request: int, text: str) -> None:
        """For the user, while the call goes on."""

    def answers(self, request: int, lines: bytes, failed: Sequence[int]) -> None:
        """Answers to items of a block."""


class SegmentReader(Caller, Protocol):
    """A caller that takes references."""

    def result_ref(self, request: int, lent: Lent) -> None: ...

    def chunks_ref(self, request: int, lent: Lent) -> None: ...

    def answers_ref(self, request: int, lent: Lent, count: int, failed: Sequence[int]) -> None: ...


@dataclass(slots=True)
class Trace:
    """Where a call's time went; instants on the monotonic clock, 0 for what has not come."""

    call: int
    command: str
    pool: str
    submitted: float
    dispatched: float = 0.0
    settled: float = 0.0
    ran: float | None = None
    """Seconds of the handler, as the worker says; None when it was not asked any more."""
    worker: str | None = None
    outcome: str = "ok"


class Call:
    """One request for a command. `id` is ours and never used again, `request` is the client's."""

    __slots__ = (
        "answered",
        "args",
        "block",
        "caller",
        "children",
        "credit",
        "deadline",
        "header",
        "holds",
        "id",
        "only",
        "open",
        "request",
        "trace",
        "worker",
    )

    def __init__(self, call_id: int, caller: Caller, request: int, header: Header, args: bytes) -> None:
        """Raises PitError when the items are not what the header says."""
        self.id = call_id
        self.caller = caller
        self.request = request
        self.header = header
        self.args = args
        self.block: pb.Block | None = None
        if header.items is not None:
            if is_message(args):
                raise PitError("usage", "malformed call: the arguments of a block must be JSON")
            self.args, _, lines = args.partition(b"\n")
            self.block = _block(header, lines)
        self.answered = 0
        """Items of its block that have an answer."""
        self.holds = False
        """Its session does not end before it."""
        self.open = True
        """Not settled yet."""
        self.only: str | None = None
        """The worker that must run it."""
        self.worker: str | None = None
        self.deadline = 0.0
        """When its timeout expires; known when it is dispatched."""
        self.children: dict[int, Callable[[], None]] = {}
        """Cancels the calls that its handler makes, by the worker's number of the request."""
        self.trace = Trace(call_id, header.command, header.pool, time.monotonic())
        self.credit = Credit()


def _block(header: Header, lines: bytes) -> pb.Block:
    if header.items_ref is not None:
        if lines or not header.stream:
            raise PitError("usage", "malformed call: the items are referred to, and lines came")
        ref = header.items_ref.message()
        return pb.Block(lines_ref=ref, count=header.items or 0, item_argument=header.item, text=header.text,
                        careful=header.careful, batch=header.batch)  # fmt: skip
    count = lines.count(b"\n")
    if count != header.items or not header.stream or (lines and not lines.endswith(b"\n")):
        raise PitError("usage", f"malformed call: {header.items} items were announced, {count} lines came")
    return pb.Block(
        lines=lines, count=count, item_argument=header.item, text=header.text, careful=header.careful,
        batch=header.batch,
    )  # fmt: skip
