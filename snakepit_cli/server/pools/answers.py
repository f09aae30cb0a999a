"""Answers of workers on their way to the callers: bytes, or references to segments that the callers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.call import Call, SegmentReader
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.segments import ForeignSegmentError, Lent
from snakepit_cli.server.workers.worker import Worker
from snakepit_cli.wire import worker_pb2 as pb


class SegmentAnswers:
    """Those of a pool that are in segments. Each is released by its reader, or here when it gets none."""

    def __init__(self, coalescer: Coalescer, broken: Callable[[Worker, str], None]) -> None:
        """`broken`: a worker refers to what it must not."""
        self._coalescer = coalescer
        self._broken = broken
        self._unclaimed: list[Lent] = []

    def lend(self, worker: Worker, call: Call | None, ref: pb.Reference) -> Lent | None:
        """What a worker refers to. None when it must not: it is ended then."""
        try:
            if worker.segments is None or (call is not None and not call.header.references):
                raise ForeignSegmentError("it refers to a segment that nobody can read")
            return worker.segments.lend(ref)
        except ForeignSegmentError as error:
            self._broken(worker, str(error))
            return None

    def hold(self, lent: Lent) -> None:
        """Keeps a result until the machine has settled its call, which is before the next turn of the event loop. The
        call may have been settled otherwise: then nobody claims it."""
        self._unclaimed.append(lent)
        self._coalescer.begun(self._release)

    def claim(self, lent: Lent) -> Lent:
        self._unclaimed.remove(lent)
        return lent

    def _release(self) -> None:
        unclaimed, self._unclaimed = self._unclaimed, []
        for lent in unclaimed:
            lent.release()


def pass_on(call: Call, chunk: pb.Chunks, lent: Lent | None, read: Callable[[Call, int], None]) -> int:
    """Chunks, or answers to items, to the caller; how many bytes the worker may be given room for. `read` is called
    later with that of chunks in a segment: their frame is short, and says nothing about how fast the reader is."""
    block = call.header.items is not None
    call.answered += chunk.count
    if lent is None:
        if block:
            call.caller.answers(call.request, chunk.lines, chunk.failed)
        else:
            call.caller.chunks(call.request, chunk.lines)
        return len(chunk.lines)
    reader = cast("SegmentReader", call.caller)
    if block:
        reader.answers_ref(call.request, lent, chunk.count, chunk.failed)
        return int(lent.ref.length)
    lent.then(partial(read, call, lent.ref.length))
    reader.chunks_ref(call.request, lent)
    return 0


def end_of_block(result: pb.Result) -> bytes:
    """What a client gets for a block whose items are all answered: how many seconds it took, without the waiting."""
    return b"%.6f" % result.run_seconds


def salvage(worker: Worker, calls: Mapping[int, Call]) -> None:
    """Passes on what a worker that has ended had worked out and not sent."""
    journal = worker.segments.journal() if worker.segments is not None else None
    call = calls.get(journal.call) if journal is not None else None
    if journal is None or call is None or call.worker != worker.id or call.header.items is None:
        return
    if (lines := journal.after(call.answered)) and lines.count(b"\n") <= call.header.items - call.answered:
        call.answered += lines.count(b"\n")
        call.caller.answers(call.request, lines, ())


def answer(call: Call, outcome: bytes | Lent | PitError) -> None:
    """The end of the call."""
    if isinstance(outcome, PitError):
        call.caller.error(call.request, outcome)
    elif isinstance(outcome, Lent):
        cast("SegmentReader", call.caller).result_ref(call.request, outcome)
    else:
        call.caller.result(call.request, outcome)
