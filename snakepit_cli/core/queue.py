"""The calls that wait for a worker, in the order in which they came."""

from __future__ import annotations

from collections import OrderedDict

from snakepit_cli.core.call import Call


class Queue:
    """First in, first out, with removal of any call in constant time.

    An OrderedDict, not a dict: taking the oldest key of a dict walks over everything deleted before it.
    """

    __slots__ = ("calls", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.calls: OrderedDict[int, Call] = OrderedDict()

    @property
    def full(self) -> bool:
        return len(self.calls) >= self.size

    def push(self, call: Call) -> None:
        self.calls[call.id] = call

    def pop(self) -> Call:
        """Take out the oldest call."""
        return self.calls.popitem(last=False)[1]

    def oldest(self) -> Call:
        return self.calls[next(iter(self.calls))]

    def remove(self, call: int) -> Call | None:
        return self.calls.pop(call, None)

    def clear(self) -> list[Call]:
        """Take out everything, oldest first."""
        calls = list(self.calls.values())
        self.calls.clear()
        return calls
