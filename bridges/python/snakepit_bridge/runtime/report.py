"""The answers of a block on their way out."""

from __future__ import annotations

import threading
from time import monotonic

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.failures import Refusal
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.calls import Call
from snakepit_bridge.runtime.forks import leave_if_forked
from snakepit_bridge.runtime.journal import Journal
from snakepit_bridge.runtime.standby_reader import MOMENT

__all__ = ["Report"]

SELDOM = 0.02
"""Seconds between two messages, where answers that are not sent yet are in a journal; and how long an answer waits
for an item that takes long."""
MUCH = 1 << 18
"""Bytes of answers that are not kept back."""
HASTY = 1.0
"""Seconds. Where an item may take less, each answer counts as a sign of life, and none is kept back."""
_NAMES = {number: name.lower() for name, number in pb.Failure.Kind.items()}


class Report:
    """Gathers answers. `due` is the instant at which those that there are should be put where they are safe: with
    `careful`, before the next item begins.

    For the thread that runs the block, except `late`.
    """

    __slots__ = ("_call", "_count", "_failed", "_journal", "_lock", "_pause", "_sent", "_sent_at", "_size", "_taken",
                 "_taken_bytes", "_unsent", "add", "due", "parts", "room")  # fmt: skip

    def __init__(self, call: Call, *, careful: bool) -> None:
        self._call = call
        self.parts: list[bytes] = []
        """One for each item since `send`, in order."""
        self.add = self.parts.append
        """Takes the answer to one item."""
        self._failed: list[int] = []
        self._pause = 0.0 if careful else MOMENT
        patient = not 0 < call.timeout < HASTY
        self._journal: Journal | None = call.segments.journal() if patient and call.segments is not None else None
        self._lock = threading.Lock()
        """Held where `_unsent` and what is about it is changed, where `parts` gets shorter, and until that is in the
        outbox."""
        self._taken = self._taken_bytes = 0
        """What `late` has sent of `parts`: how many, how many bytes."""
        self._unsent: list[bytes] = []
        """In the journal."""
        self._count = self._size = 0
        """Of these: how many answers, how many bytes."""
        self._sent = 0
        """Answers that have been sent."""
        self._sent_at = self.due = monotonic()
        self.due += self._pause
        self.room = call.room
        """Bytes of answers that may still leave."""
        if not careful or self._journal is not None:
            call.outbox.late = self.late

    def fail(self, error: BaseException) -> None:
        reason = error.failure if isinstance(error, Refusal) else answers.handler_failed(error)
        facts = {"kind": _NAMES.get(reason.kind, "command_failed"), "message": reason.message}
        facts.update({name: text for name in ("type", "traceback") if (text := getattr(reason, name))})
        self._failed.append(len(self.parts))
        self.parts.append(jsonio.dumps(facts))

    def send(self, *, last: bool = False) -> None:
        """What has gathered: to the server, or into the journal. The last part leaves with the result.

        A child that a handler has forked leaves: the standby reader may have held the lock then, and is not there.
        """
        leave_if_forked()
        with self._lock:
            lines, count = self._rest()
            self.room -= len(lines) + self._taken_bytes
            if count:
                self._unsent.append(lines)
            if last:
                self._call.outbox.late = None
            if last or not self._kept(lines, count):
                self._put(count, last=last)
            self.parts.clear()
            self._failed.clear()
            self._taken = self._taken_bytes = 0
        self.due = monotonic() + self._pause

    def _rest(self) -> tuple[bytes, int]:
        """The lines of `parts` that have not been sent, and how many they are."""
        rest = self.parts[self._taken :]
        return b"\n".join(rest) + b"\n" if rest else b"", len(rest)

    def _kept(self, lines: bytes, count: int) -> bool:
        """Whether it is in the journal, and nothing needs to leave now."""
        journal = self._journal
        if journal is None or self._failed or self.room <= 0 or self._size + len(lines) > MUCH:
            return False
        if monotonic() - self._sent_at >= SELDOM:
            return False
        try:
            kept = not count or journal.add(self._call.id, self._sent, lines, count)
        except OSError:
            self._journal = None
            return False
        if kept:
            self._count += count
            self._size += len(lines)
        return kept

    def late(self) -> None:
        """Sends what has waited for long, because the next item takes long. By the standby reader."""
        with self._lock:
            if self._call.outbox.late is None or self._call.cancelled or monotonic() - self._sent_at < SELDOM:
                return
            # The other thread may add answers meanwhile, and makes the list no shorter without the lock. That an answer
            # is an error is known before the answer is there.
            lines, count = self._rest()
            if count:
                self._unsent.append(lines)
            self._put(count, last=False)
            self._taken += count
            self._taken_bytes += len(lines)

    def _put(self, more: int, *, last: bool) -> None:
        """Into the outbox: all that is not sent, of which `more` answers are not counted yet."""
        lines, before = b"".join(self._unsent), self._count
        self._unsent.clear()
        self._count = self._size = 0
        self._sent_at = monotonic()
        if not lines:
            return
        self._sent += before + more
        begin = self._taken
        failed = [before + number - begin for number in self._failed if begin <= number < begin + more]
        part = pb.Chunks(id=self._call.id, count=before + more, failed=failed)
        segments = self._call.segments
        ref = segments.put((lines,)) if segments is not None else None
        if ref is None:
            part.lines = lines
        else:
            part.lines_ref.CopyFrom(ref)
        self._call.outbox.put_part(part, self._call, last=last)
