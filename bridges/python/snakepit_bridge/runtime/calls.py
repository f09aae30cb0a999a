"""One call within the worker, and the table of those that have not been answered."""

from __future__ import annotations

import queue
from collections import OrderedDict
from collections.abc import Mapping
from time import monotonic
from typing import Callable, Union

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.arguments import Bound, find
from snakepit_bridge.binary import Buffer
from snakepit_bridge.context import CallCancelled, CallContext
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.runtime import references
from snakepit_bridge.runtime.asker import Asker
from snakepit_bridge.runtime.outbox import LONG, Outbox
from snakepit_bridge.runtime.requests import Requests
from snakepit_bridge.runtime.segments import Segments

__all__ = ["Call", "CallTable", "wait_for_room"]

SESSIONS_KEPT = 1000
CANCELLED_TEXT = "the caller gave up"


Answer = Union[bytes, pb.Reference]
"""To a whole call: as bytes, or where in a segment it is."""


class Call:
    """A call from its arrival to its answer."""

    __slots__ = (
        "_context",
        "_mapped",
        "_segments",
        "_spec",
        "arrived",
        "begun",
        "cancelled",
        "command",
        "credits",
        "id",
        "lines",
        "nan_is_null",
        "notify",
        "outbox",
        "requests",
        "segments",
        "stop",
        "takes_parts",
    )

    def __init__(
        self, spec: pb.Call, outbox: Outbox, requests: Requests | None = None, segments: Segments | None = None
    ) -> None:
        self.id: int = spec.id
        self.command: str = spec.command
        self.nan_is_null: bool = spec.nan_is_null
        self.takes_parts: bool = spec.takes_parts and not spec.HasField("block")
        """Its answer, or each of its chunks, may be a message with parts."""
        self.outbox = outbox
        self.requests = requests
        """Makes the calls that its handler asks for."""
        self._segments = segments
        self._mapped: pb.Reference | None = None
        """Where the arguments are, when that is mapped."""
        self.segments = segments if spec.takes_references else None
        """Where long answers may be put; None when they are sent as bytes."""
        self.cancelled = False
        """Set once by the reader; read by the thread that runs the call."""
        self.stop: Callable[[], None] | None = None
        """How to interrupt the handler; set by the thread that runs it."""
        self.notify: Callable[[], None] | None = None
        """Called after something was put into `credits`, for a runner that cannot block on it."""
        self.lines: list[bytes] = []
        """Chunks on their way out. The runner appends, the sender takes from the front."""
        self.credits: queue.SimpleQueue[int] = queue.SimpleQueue()
        """Room granted since the start; a 0 only wakes the waiting runner."""
        self.arrived = monotonic()
        self.begun = 0.0
        """When its handler began; 0 while it waits."""
        self._spec = spec
        self._context: CallContext | None = None

    @property
    def args(self) -> Buffer:
        """A view of a segment when they are in one. Raises the refusal of a reference that cannot be read."""
        spec = self._spec
        if not spec.HasField("args_ref"):
            return spec.args
        if self._segments is not None and self._segments.has(spec.args_ref.path):
            self._mapped = spec.args_ref
            return references.view(spec.args_ref)
        return references.read(spec.args_ref)

    def _forget_arguments(self) -> None:
        if self._mapped is not None:
            references.forget(self._mapped)

    @property
    def session(self) -> str:
        return self._spec.session

    @property
    def streams(self) -> bool:
        """The caller wants chunks as they come."""
        return self._spec.stream and not self._spec.HasField("block")

    @property
    def block(self) -> pb.Block | None:
        """The items to run the command for."""
        return self._spec.block if self._spec.HasField("block") else None

    @property
    def timeout(self) -> float:
        """Seconds that it may take, of a block each item; 0 for any number."""
        return self._spec.timeout_seconds

    @property
    def room(self) -> int:
        """Bytes of chunks that may leave from the start."""
        return self._spec.credit_bytes

    def context(self) -> CallContext:
        """The handler's view; made when first asked for."""
        if self._context is None:
            spec = self._spec
            deadline = self.arrived + spec.timeout_seconds if spec.timeout_seconds > 0 else None
            asker = Asker(self.requests, self.outbox, self.id, self._segments) if self.requests is not None else None
            self._context = CallContext(spec.command, spec.session, spec.cwd, deadline, asker, _texts(spec.metadata))
            if self.cancelled:
                self._context.cancel()
        return self._context

    def bound(self, commands: Mapping[str, Bound]) -> Bound:
        """What runs it: a command, or a tool that this worker has registered. Raises the refusal with near names."""
        if self._spec.tool and self.requests is not None:
            tool = self.requests.tools.get(self._spec.session, self.command)
            if tool is not None:
                tool.bound = tool.bound or Bound(tool.adapter, tool.command)
                bound: Bound = tool.bound
                return bound
            text = f"the tool `{self.command}` is not offered any more"
            raise Refusal(failure(pb.Failure.Kind.COMMAND_NOT_FOUND, text))
        return find(commands, self.command)

    def renew(self) -> None:
        """The next item of a block begins: its handler gets a context of its own."""
        self.arrived = monotonic()
        self._context = None

    def cancel(self) -> None:
        """Cancels the call. Called by the reader: first the flag, then the wake-up of the handler."""
        self.cancelled = True
        if self._context is not None:
            self._context.cancel()
        self.grant(0)
        stop = self.stop
        if stop is not None:
            stop()

    def grant(self, room: int) -> None:
        """Grants room for chunks. Called by the reader."""
        self.credits.put(room)
        notify = self.notify
        if notify is not None:
            notify()

    def succeed(self, value: Answer, *, later: bool = False) -> None:
        """`later`: the next answer will follow at once, so they may leave together."""
        waited, ran = max(0.0, self.begun - self.arrived), monotonic() - self.begun
        self._forget_arguments()
        if isinstance(value, pb.Reference):
            result = pb.Result(id=self.id, value_ref=value, wait_seconds=waited, run_seconds=ran)
            self.outbox.put_result(result, self, later=later)
            return
        if len(value) > LONG:
            self.outbox.put_long(pb.Result(id=self.id, wait_seconds=waited, run_seconds=ran), value, self)
            return
        result = pb.Result(id=self.id, value=value, wait_seconds=waited, run_seconds=ran)
        self.outbox.put_result(result, self, later=later)

    def fail(self, reason: pb.Failure) -> None:
        self._forget_arguments()
        waited = max(0.0, self.begun - self.arrived)
        ran = monotonic() - self.begun if self.begun else 0.0
        self.outbox.put_result(pb.Result(id=self.id, failure=reason, wait_seconds=waited, run_seconds=ran), self)

    def fail_cancelled(self) -> None:
        self.fail(failure(pb.Failure.Kind.CANCELLED, CANCELLED_TEXT))


class CallTable:
    """Waiting and running calls, shared by the reader and the thread that runs them.

    A waiting call belongs to the thread that pops it: `dict.pop` is atomic, so a cancel that comes at the moment of
    the start either answers the call itself or finds it running, never both and never neither.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, Call] = {}
        self._running: dict[int, Call] = {}
        self._sessions: OrderedDict[str, None] = OrderedDict()

    @property
    def sessions(self) -> list[str]:
        """Sessions served lately, the latest last."""
        return list(self._sessions)

    def arrive(self, call: Call) -> None:
        self._waiting[call.id] = call
        if call.session:
            self._sessions[call.session] = None
            self._sessions.move_to_end(call.session)
            if len(self._sessions) > SESSIONS_KEPT:
                self._sessions.popitem(last=False)

    def forget_session(self, session: str) -> None:
        """It has ended: no hello names it any more."""
        self._sessions.pop(session, None)

    def start(self, call: Call) -> bool:
        """Takes the call to run it; False if it has been answered already."""
        self._running[call.id] = call
        call.begun = monotonic()
        if self._waiting.pop(call.id, None) is None:
            self.finish(call)
            return False
        return True

    def finish(self, call: Call) -> None:
        if self._running.get(call.id) is call:
            del self._running[call.id]

    def cancel(self, call_id: int) -> None:
        waiting = self._waiting.pop(call_id, None)
        if waiting is not None:
            waiting.cancelled = True
            waiting.fail_cancelled()
            return
        running = self._running.get(call_id)
        if running is not None:
            running.cancel()

    def recall(self, call_id: int) -> None:
        """Gives the call back to the server, if it has not begun."""
        waiting = self._waiting.pop(call_id, None)
        if waiting is not None:
            waiting.fail(failure(pb.Failure.Kind.RECALLED, "recalled before it began"))

    def cancel_all(self) -> None:
        for call_id in [*self._waiting, *self._running]:
            self.cancel(call_id)

    def credit(self, call_id: int, room: int) -> None:
        call = self._waiting.get(call_id) or self._running.get(call_id)
        if call is not None:
            call.grant(room)

    @property
    def more(self) -> bool:
        """Calls wait."""
        return bool(self._waiting)


def _texts(data: bytes) -> dict[str, str]:
    """Metadata of a call. What is no object of strings is the caller's mistake, and nothing that a handler can mend."""
    try:
        found = jsonio.loads_object(data)
    except jsonio.InvalidJson:
        return {}
    return {key: value if isinstance(value, str) else str(value) for key, value in found.items()}


def wait_for_room(call: Call, room: int) -> int:
    """Until the call may send again: the room it has then. Raises CallCancelled."""
    while room <= 0:
        room += call.credits.get()
        if call.cancelled:
            raise CallCancelled
    return room
