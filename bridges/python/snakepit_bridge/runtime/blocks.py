"""Bulk work: one command, run for each item of a block.

Quick items are run many at a time, and the clock is looked at between two runs. How many make up a run follows from how
long the last one took: at most `LONGEST`, and no more than are likely to take `BETWEEN_LOOKS`. The answers leave about
every millisecond, always between two runs. So what has not been reported when a worker dies is what it was working on
and what it has finished within that time, and quick items pay for neither clock nor message.

An item is never run twice here: the interrupt is armed for a whole run, and where that ends early, by an exception or a
cancel, the number of answers says which item it was.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.annotations import Misfit
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.failures import Refusal
from snakepit_bridge.runtime.calls import Call, wait_for_room
from snakepit_bridge.runtime.forks import leave_if_forked
from snakepit_bridge.runtime.items import Items
from snakepit_bridge.runtime.report import Report

if TYPE_CHECKING:
    from snakepit_bridge.arguments import Bound
    from snakepit_bridge.loops import Loop
    from snakepit_bridge.runtime.interrupts import Interrupts

__all__ = ["BlockRun"]

LONGEST = 32
"""Items in a run: how many slow ones may follow quick ones before it is noticed."""
BETWEEN_LOOKS = 64e-6
"""Seconds. A look costs a thousandth of that."""


class Handlers(Protocol):
    """How the main thread runs a handler."""

    interrupts: Interrupts

    def one(self, call: Call, bound: Bound, args: dict[str, Any]) -> Any:
        """The answer to these arguments: bytes, for an item of a block."""

    def settle(self, call: Call, value: Any) -> Any:
        """The answer that this value of a handler is."""


class Stride:
    """How many items a run may have."""

    __slots__ = ("_looked", "_most", "items")

    def __init__(self, most: int) -> None:
        self._most = most
        self._looked = monotonic()
        self.items = 1

    def look(self, count: int) -> float:
        """The time. `count` items have been run since the last look."""
        now = monotonic()
        taken = now - self._looked
        self._looked = now
        # Slow items shorten the next run at once, quick ones lengthen it step by step.
        if taken > BETWEEN_LOOKS:
            self.items = int(count * BETWEEN_LOOKS / taken) or 1
        elif self.items < self._most and 2 * taken < BETWEEN_LOOKS:
            self.items *= 2
        return now


class BlockRun:
    """One block in the main thread."""

    def __init__(self, call: Call, block: pb.Block, fixed: dict[str, Any], bound: Bound, handlers: Handlers) -> None:
        self._call = call
        self._bound = bound
        self._handlers = handlers
        self._items = Items(block, fixed)
        self._report = Report(call, careful=block.careful)
        self._stride = Stride(1 if block.careful else LONGEST)
        self._typed: Loop | None = None

    def run(self) -> None:
        """All items in order. CallCancelled passes through."""
        if self._bound.plain is None:
            self._one_by_one()
        else:
            self._in_runs()
        self._report.send(last=True)

    def _in_runs(self) -> None:
        report, stride, items = self._report, self._stride, self._items
        count, at, ran = len(items), 0, 0
        if count and not items.text:
            self._typed = self._bound.typed(bytes(self._call.args), items)
        while at < count:
            if stride.look(ran) >= report.due:
                self._send()
            ran = self._go_on(at, at + stride.items)
            at += ran

    def _go_on(self, start: int, end: int) -> int:
        """Some items, up to the first that fails or whose answer needs more than a loop does; how many they were."""
        interrupts, typed, out = self._handlers.interrupts, self._typed, self._report.parts
        before = len(out)
        run: list[Any] = self._items.arguments(start, end) if typed is None else self._items.lines[start:end]
        try:
            interrupts.begin(self._call, run)
            other = (self._bound.general if typed is None else typed.run)(run, out)
            interrupts.armed = None
            if other is not None:
                out.append(self._handlers.settle(self._call, other[0]))
        except BaseException as error:  # noqa: BLE001 - SystemExit too: one item must not end the block
            self._left_by(error)
            self._failed(run[len(out) - before], error)
        return len(out) - before

    def _failed(self, item: Any, error: BaseException) -> None:
        """Its answer; none when the item has not begun and can still be run by the general loop."""
        if self._typed is not None:
            if not self._typed.takes(item):
                self._typed = None
                return
        elif type(item) is Refusal:
            error = item
        elif isinstance(error, (TypeError, Misfit)):
            # Python, or the converter, may have found that the arguments do not fit: the method has not begun then.
            try:
                self._bound.check(item)
            except BaseException as refusal:  # noqa: BLE001 - whatever a type of the user's raises
                error = refusal
        self._report.fail(error)

    def _left_by(self, error: BaseException) -> None:
        """A handler was left by an exception. Raises CallCancelled when the block is over."""
        leave_if_forked(None if isinstance(error, CallCancelled) else error)
        self._handlers.interrupts.armed = None
        if self._call.cancelled:
            raise CallCancelled from None

    def _one_by_one(self) -> None:
        """For handlers that get a context, or are async, or take their arguments in another way than by name."""
        items, report, call, bound = self._items, self._report, self._call, self._bound
        for start in range(0, len(items), LONGEST):
            for args in items.arguments(start, start + LONGEST):
                if monotonic() >= report.due:
                    self._send()
                try:
                    if isinstance(args, Refusal):
                        raise args
                    if bound.wants_context:
                        call.renew()
                    report.add(self._handlers.one(call, bound, args))
                except BaseException as error:  # noqa: BLE001 - SystemExit too: one item must not end the block
                    self._left_by(error)
                    report.fail(error)

    def _send(self) -> None:
        report = self._report
        report.send()
        if report.room <= 0:
            report.room = wait_for_room(self._call, report.room)
