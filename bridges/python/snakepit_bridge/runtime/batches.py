"""Bulk work for handlers that take many items at a time: a list or an Arrow batch, for a list of as many answers.

A batch is answered as a whole: what its handler raises is the answer to each of its items, and when the worker dies,
none of them has one. An item that is not JSON, or not text, is answered alone and left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any, Callable

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.annotations import resolved, union_of
from snakepit_bridge.arguments import Bound
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.runtime.blocks import Handlers
from snakepit_bridge.runtime.calls import Call, wait_for_room
from snakepit_bridge.runtime.forks import leave_if_forked
from snakepit_bridge.runtime.items import Items
from snakepit_bridge.runtime.report import Report

__all__ = ["BatchRun", "Portion", "portions"]


class Portion:
    """What a call of the handler is for: here, one item."""

    def __init__(self, args: dict[str, Any] | Refusal) -> None:
        self._args = args

    def arguments(self) -> dict[str, Any]:
        """What the handler gets. Raises the refusal that says why it gets nothing."""
        if isinstance(self._args, Refusal):
            raise self._args
        return self._args

    def answered(self, report: Report, data: bytes) -> None:
        """This is the handler's answer. Raises the refusal of one that is none."""
        report.add(data)

    def failed(self, report: Report, error: BaseException) -> None:
        report.fail(error)


class Batch(Portion):
    """Many items."""

    def __init__(self, values: list[Any], items: Items, bound: Bound, form: Callable[[list[Any]], Any]) -> None:
        self._values = values
        self._good = [value for value in values if type(value) is not Refusal]
        self._items = items
        self._name = bound.command.name
        self._form = form

    def arguments(self) -> dict[str, Any]:
        if not self._good:
            raise _refused(pb.Failure.Kind.INVALID_ARGUMENTS, "no item of the batch can be read")
        return {**self._items.fixed, self._items.name: self._form(self._good)}

    def answered(self, report: Report, data: bytes) -> None:
        found = jsonio.elements(data)
        if found is None:
            raise _refused(pb.Failure.Kind.INVALID_RESULT, f"`{self._name}` returned no list: it got a batch of items")
        if len(found) != len(self._good):
            text = f"`{self._name}` gave {_counted(found, 'answer')} to a batch of {_counted(self._good, 'item')}"
            raise _refused(pb.Failure.Kind.INVALID_RESULT, text)
        answers = iter(found)
        for value in self._values:
            if type(value) is Refusal:
                report.fail(value)
            else:
                report.add(next(answers))

    def failed(self, report: Report, error: BaseException) -> None:
        for value in self._values:
            report.fail(value if type(value) is Refusal else error)


def portions(block: pb.Block, items: Items, bound: Bound) -> Iterator[Portion]:
    """What a block is run in."""
    if not block.batch:
        return (Portion(args) for number in range(len(items)) for args in items.arguments(number, number + 1))
    form = _form(bound, items.name)
    starts = range(0, len(items), block.batch)
    return (Batch(items.values(start, start + block.batch), items, bound, form) for start in starts)


class BatchRun:
    """One block in the main thread, so many items at a time."""

    def __init__(self, call: Call, block: pb.Block, fixed: dict[str, Any], bound: Bound, handlers: Handlers) -> None:
        self._call = call
        self._bound = bound
        self._handlers = handlers
        self._portions = portions(block, Items(block, fixed), bound)
        self._report = Report(call, careful=block.careful)

    def run(self) -> None:
        """All items in order. CallCancelled passes through."""
        for portion in self._portions:
            if self._report.parts and monotonic() >= self._report.due:
                self._send()
            try:
                if self._bound.wants_context:
                    self._call.renew()
                portion.answered(self._report, self._handlers.one(self._call, self._bound, portion.arguments()))
            except BaseException as error:  # noqa: BLE001 - SystemExit too: one batch must not end the block
                leave_if_forked(None if isinstance(error, CallCancelled) else error)
                self._handlers.interrupts.armed = None
                if self._call.cancelled:
                    raise CallCancelled from None
                portion.failed(self._report, error)
        self._report.send(last=True)

    def _send(self) -> None:
        report = self._report
        report.send()
        if report.room <= 0:
            report.room = wait_for_room(self._call, report.room)


def _counted(values: list[Any], what: str) -> str:
    return f"{len(values)} {what}{'' if len(values) == 1 else 's'}"


def _refused(kind: Any, message: str) -> Refusal:
    return Refusal(failure(kind, message))


# ------------------------------------------------------------------------------------------------ forms


def _form(bound: Bound, name: str) -> Callable[[list[Any]], Any]:
    """What makes the argument of this name of a list of items: by its annotation, an Arrow batch or table."""
    for one in bound.command.parameters:
        for kind in union_of(resolved(bound.function, one)) if one.name == name else ():
            if str(getattr(kind, "__module__", "")).partition(".")[0] == "pyarrow":
                if kind.__name__ == "RecordBatch":
                    return _batch
                if kind.__name__ == "Table":
                    return _table
    return _as_it_is


def _as_it_is(values: list[Any]) -> Any:
    return values


def _table(values: list[Any]) -> Any:
    import pyarrow

    return pyarrow.Table.from_batches([_batch(values)])


def _batch(values: list[Any]) -> Any:
    """Raises the refusal that says which items make no columns."""
    import pyarrow

    columns: dict[str, None] = {}
    for value in values:
        if not isinstance(value, Mapping):
            text = "an item of an Arrow batch must be an object: its members are the columns"
            raise _refused(pb.Failure.Kind.INVALID_ARGUMENTS, text)
        columns.update(dict.fromkeys(value))
    try:
        return pyarrow.record_batch({name: [value.get(name) for value in values] for name in columns})
    except pyarrow.ArrowException as error:
        text = f"the items make no Arrow batch: {error}"
        raise _refused(pb.Failure.Kind.INVALID_ARGUMENTS, text) from None
