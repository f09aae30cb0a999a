"""Bulk work: one command, run for each item of a block.

The answers of a block are collected and sent about every millisecond, always before the next item begins. So what has
not been reported when a worker dies is what it was working on, and quick items do not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, Callable, Protocol

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.annotations import Misfit
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.calls import Call, wait_for_room
from snakepit_bridge.runtime.forks import leave_if_forked
from snakepit_bridge.runtime.standby_reader import MOMENT

if TYPE_CHECKING:
    from snakepit_bridge.arguments import Bound
    from snakepit_bridge.runtime.interrupts import Interrupts

__all__ = ["BlockRun", "Report", "arguments_of"]

SMALL = 1 << 16
"""Bytes that surely fit into a message."""
_NAMES = {number: name.lower() for name, number in pb.Failure.Kind.items()}


def items_of(block: pb.Block) -> list[Any]:
    """The items of a block; one that is not JSON is the refusal that says so."""
    if block.text:
        return _texts(block.lines)
    lines = block.lines.split(b"\n")
    del lines[-1]
    decoded = jsonio.loads_all(lines)
    return [_item(line) for line in lines] if decoded is None else decoded


def _texts(data: bytes) -> list[Any]:
    try:
        return data.decode().split("\n")[:-1]
    except UnicodeDecodeError:
        return [_text(line) for line in data.split(b"\n")[:-1]]


def _text(line: bytes) -> Any:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, f"the line is not UTF-8: {error}"))


def _item(line: bytes) -> Any:
    try:
        return jsonio.loads(line)
    except jsonio.InvalidJson as error:
        return Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, str(error)))


def arguments_of(block: pb.Block, fixed: dict[str, Any]) -> Iterator[dict[str, Any] | Refusal]:
    """The arguments that each item of a block stands for."""
    items = items_of(block)
    if not fixed and set(map(type, items)) == {dict}:
        return iter(items)
    return _merged(items, fixed, block.item_argument or "item")


def _merged(items: list[Any], fixed: dict[str, Any], name: str) -> Iterator[dict[str, Any] | Refusal]:
    for item in items:
        kind = type(item)
        if kind is dict:
            yield {**fixed, **item} if fixed else item
        elif kind is Refusal:
            yield item
        else:
            yield {**fixed, name: item}


class Report:
    """Answers of a block on their way out. `due` is the instant at which the next ones should leave."""

    __slots__ = ("_call", "_failed", "_parts", "_pause", "add", "due", "room")

    def __init__(self, call: Call, *, careful: bool) -> None:
        self._call = call
        self._parts: list[bytes] = []
        self.add = self._parts.append
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
        self._failed.append(len(self._parts))
        self._parts.append(jsonio.dumps(facts))

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
            self._parts.clear()
            self._failed.clear()
        self.due = monotonic() + self._pause


class Handlers(Protocol):
    """How the main thread runs a handler."""

    interrupts: Interrupts

    def one(self, call: Call, bound: Bound, args: dict[str, Any]) -> bytes:
        """The answer to these arguments."""

    def settle(self, call: Call, value: Any) -> bytes:
        """The answer that this value of a handler is."""


class BlockRun:
    """One block in the main thread."""

    def __init__(self, call: Call, block: pb.Block, bound: Bound, handlers: Handlers) -> None:
        self._call = call
        self._bound = bound
        self._handlers = handlers
        self._report = Report(call, careful=block.careful)

    def run(self, todo: Iterator[dict[str, Any] | Refusal]) -> None:
        """All items in order. CallCancelled passes through."""
        plain = self._bound.plain
        while not self._stretch(todo, plain):
            pass
        self._report.send(last=True)

    def _stretch(self, todo: Iterator[dict[str, Any] | Refusal], plain: Callable[..., Any] | None) -> bool:
        """Items up to the next failure; whether that was all of them."""
        try:
            if plain is None:
                self._special(todo)
            else:
                self._plain(todo, plain)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: one item must not end the block
            leave_if_forked(None if isinstance(error, CallCancelled) else error)
            self._handlers.interrupts.armed = None
            if self._call.cancelled and not isinstance(error, Refusal):
                raise CallCancelled from None
            self._report.fail(error)
            return False
        return True

    def _plain(  # noqa: C901 - the hot path of bulk work
        self, todo: Iterator[dict[str, Any] | Refusal], method: Callable[..., Any]
    ) -> None:
        """What `_special` does, for a method that takes keywords and gives a dict.

        The arguments are checked only when Python has found that they do not fit: the method has not begun then.
        """
        clock, report, interrupts, call = monotonic, self._report, self._handlers.interrupts, self._call
        add, dumps, settle = report.add, jsonio.quick_dumps, self._handlers.settle
        convert = self._bound.convert
        for args in todo:
            if clock() >= report.due:
                self._send()
            interrupts.armed = call
            if call.cancelled:
                raise CallCancelled
            if type(args) is not dict:
                raise args  # type: ignore[misc]
            try:
                if convert is not None:
                    convert(args)
                value = method(**args)
            except (TypeError, Misfit):
                self._bound.check(args)
                raise
            interrupts.armed = None
            if type(value) is dict:
                try:
                    data = dumps(value)
                except Exception:  # noqa: BLE001, S110 - told by `settle`
                    pass
                else:
                    # A null may stand for NaN, which only `settle` can tell.
                    if len(data) < SMALL and b"null" not in data:
                        add(data)
                        continue
            add(settle(call, value))

    def _special(self, todo: Iterator[dict[str, Any] | Refusal]) -> None:
        for args in todo:
            if monotonic() >= self._report.due:
                self._send()
            if isinstance(args, Refusal):
                raise args
            if self._bound.wants_context:
                self._call.renew()
            self._report.add(self._handlers.one(self._call, self._bound, args))

    def _send(self) -> None:
        report = self._report
        report.send()
        if report.room <= 0:
            report.room = wait_for_room(self._call, report.room)
