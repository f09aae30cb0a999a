"""The answers of a block on their way out."""

from __future__ import annotations

from time import monotonic

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.failures import Refusal
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.calls import Call
from snakepit_bridge.runtime.standby_reader import MOMENT

__all__ = ["Report"]

_NAMES = {number: name.lower() for name, number in pb.Failure.Kind.items()}


class Report:
    """Gathers answers. `due` is the instant at which those that there are should leave."""

    __slots__ = ("_call", "_failed", "_pause", "add", "due", "parts", "room")

    def __init__(self, call: Call, *, careful: bool) -> None:
        self._call = call
        self.parts: list[bytes] = []
        """One for each item since `send`, in order."""
        self.add = self.parts.append
        """Takes the answer to one item."""
        self._failed: list[int] = []
        self._pause = 0.0 if careful else MOMENT
        self.due = monotonic() + self._pause
        self.room = call.room
        """Bytes of answers that may still leave."""

    def fail(self, error: BaseException) -> None:
        reason = error.failure if isinstance(error, Refusal) else answers.handler_failed(error)
        facts = {"kind": _NAMES.get(reason.kind, "command_failed"), "message": reason.message}
        facts.update({name: text for name in ("type", "traceback") if (text := getattr(reason, name))})
        self._failed.append(len(self.parts))
        self.parts.append(jsonio.dumps(facts))

    def send(self, *, last: bool = False) -> None:
        """What has gathered; the last part leaves with the result."""
        if self.parts:
            lines = b"\n".join(self.parts) + b"\n"
            self.room -= len(lines)
            part = pb.Chunks(id=self._call.id, count=len(self.parts), failed=self._failed)
            segments = self._call.segments
            ref = segments.put((lines,)) if segments is not None else None
            if ref is None:
                part.lines = lines
            else:
                part.lines_ref.CopyFrom(ref)
            self._call.outbox.put_part(part, self._call, last=last)
            self.parts.clear()
            self._failed.clear()
        self.due = monotonic() + self._pause
