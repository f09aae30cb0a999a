"""Bulk work: one command, run for each item of a block.

The answers of a block are collected and sent about every millisecond, always before the next item begins. So what has
not been reported when a worker dies is what it was working on, and quick items do not pay for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.calls import Call
from snakepit_bridge.runtime.understudy import MOMENT

if TYPE_CHECKING:
    from snakepit_bridge.arguments import Bound

__all__ = ["BlockRun", "Report", "arguments_of"]

One = Callable[[Call, "Bound", "dict[str, Any]"], bytes]
WaitForRoom = Callable[[Call, int], int]
_NAMES = {number: name.lower() for name, number in pb.Failure.Kind.items()}


def items_of(block: pb.Block) -> list[Any]:
    """The items of a block; one that is not JSON is the refusal that says so."""
    lines = block.lines.split(b"\n")
    del lines[-1]
    if block.text:
        return [line.decode("utf-8", "replace") for line in lines]
    decoded = jsonio.loads_all(lines)
    return [_item(line) for line in lines] if decoded is None else decoded


def _item(line: bytes) -> Any:
    try:
        return jsonio.loads(line)
    except jsonio.InvalidJson as error:
        return Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, str(error)))


def arguments_of(block: pb.Block, fixed: dict[str, Any]) -> Iterator[dict[str, Any] | Refusal]:
    """The arguments that each item of a block stands for."""
    name = block.item_argument or "item"
    for item in items_of(block):
        kind = type(item)
        if kind is dict:
            yield {**fixed, **item} if fixed else item
        elif kind is Refusal:
            yield item
        else:
            yield {**fixed, name: item}


class Report:
    """Answers of a block on their way out. `due` is the instant at which the next ones should leave."""

    __slots__ = ("_call", "_failed", "_parts", "_pause", "due", "room")

    def __init__(self, call: Call, *, careful: bool) -> None:
        self._call = call
        self._parts: list[bytes] = []
        self._failed: list[int] = []
        self._pause = 0.0 if careful else MOMENT
        self.due = time.monotonic() + self._pause
        self.room = call.room
        """Bytes of answers that may still leave."""

    def fail(self, error: BaseException) -> None:
        reason = error.failure if isinstance(error, Refusal) else answers.handler_failed(error)
        facts = {"kind": _NAMES.get(reason.kind, "command_failed"), "message": reason.message}
        facts.update({name: text for name in ("type", "traceback") if (text := getattr(reason, name))})
        self._failed.append(len(self._parts))
        self._parts.append(jsonio.dumps(facts))

    def add(self, value: bytes) -> None:
        self._parts.append(value)

    def send(self, *, last: bool = False) -> None:
        """What has gathered; the last part leaves with the result."""
        if self._parts:
            lines = b"\n".join(self._parts) + b"\n"
            self.room -= len(lines)
            self._call.outbox.put_part(
                pb.Chunks(id=self._call.id, lines=lines, count=len(self._parts), failed=self._failed),
                self._call,
                last=last,
            )
            self._parts, self._failed = [], []
        self.due = time.monotonic() + self._pause


class BlockRun:
    """One block in the main thread."""

    def __init__(self, call: Call, block: pb.Block, bound: Bound, one: One, wait_for_room: WaitForRoom) -> None:
        """`one` runs one item; CallCancelled passes through it."""
        self._call = call
        self._bound = bound
        self._one = one
        self._wait_for_room = wait_for_room
        self._report = Report(call, careful=block.careful)

    def run(self, todo: Iterator[dict[str, Any] | Refusal]) -> None:
        """All items in order. This is the hot loop of bulk work."""
        clock, report, add = time.monotonic, self._report, self._report.add
        call, bound, one, takes_context = self._call, self._bound, self._one, self._bound.command.context is not None
        for args in todo:
            if clock() >= report.due:
                report.send()
                if report.room <= 0:
                    report.room = self._wait_for_room(call, report.room)
            try:
                if isinstance(args, Refusal):
                    raise args
                if takes_context:
                    call.renew()
                add(one(call, bound, args))
            except BaseException as error:  # noqa: BLE001 - SystemExit too: one item must not end the block
                self._failed(error)
        report.send(last=True)

    def _failed(self, error: BaseException) -> None:
        if self._call.cancelled and not isinstance(error, Refusal):
            raise CallCancelled from None
        self._report.fail(error)
