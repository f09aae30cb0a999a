"""Calls waiting for a worker, first in, first out. Single calls come before bulk work."""

from __future__ import annotations

from collections import OrderedDict

from snakepit_cli.core.call import Call

Lane = OrderedDict[int, Call]
# Not a dict: taking the oldest key of one walks over everything deleted before it.


class Queue:
    """First in, first out in each lane, with removal of any call in constant time.

    `free` calls may go to any worker, `held` ones only to the home of their session, by its name; `bulk` waits behind
    both. `patient` are the free and the held ones in the order of their `waiting_since`: their patience is limited.
    That of blocks behind them is not, held or free.
    """

    __slots__ = ("_homes", "bulk", "free", "held", "held_bulk", "patient")

    def __init__(self) -> None:
        self.patient: Lane = OrderedDict()
        self.free: Lane = OrderedDict()
        self.bulk: Lane = OrderedDict()
        self.held_bulk: Lane = OrderedDict()
        self.held: dict[str, Lane] = {}
        self._homes: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.patient) + len(self.bulk) + len(self.held_bulk)

    def __contains__(self, call: object) -> bool:
        return call in self.patient or call in self.bulk or call in self.held_bulk

    def push(self, call: Call, now: float) -> None:
        call.waiting_since = now
        if call.behind:
            self.bulk[call.id] = call
        else:
            self.patient[call.id] = self.free[call.id] = call

    def push_back(self, call: Call, now: float) -> None:
        """Puts a call back that was on a worker: it is taken next. Its queue timeout starts again."""
        self.push(call, now)
        for lane in (self.free, self.bulk):
            if call.id in lane:
                lane.move_to_end(call.id, last=False)

    def hold(self, call: Call, home: str, now: float) -> None:
        """Queues the call for this worker only. It keeps its place in the order of queue timeouts."""
        if call.id not in self:
            call.waiting_since = now
        self.free.pop(call.id, None)
        self.bulk.pop(call.id, None)
        (self.held_bulk if call.behind else self.patient)[call.id] = call
        self.held.setdefault(home, OrderedDict())[call.id] = call
        self._homes[call.id] = home

    def head(self) -> Call | None:
        """The next call for any worker."""
        lane = self.free or self.bulk
        return next(iter(lane.values())) if lane else None

    def remove(self, call: int) -> Call | None:
        found = self.bulk.pop(call, None)
        if found is not None:
            return found
        found = self.patient.pop(call, None) or self.held_bulk.pop(call, None)
        if found is not None and self.free.pop(call, None) is None:
            home = self._homes.pop(call)
            lane = self.held[home]
            del lane[call]
            if not lane:
                del self.held[home]
        return found

    def clear(self) -> list[Call]:
        """Take out everything, oldest first."""
        calls = [*self.patient.values(), *self.bulk.values(), *self.held_bulk.values()]
        for lane in (self.patient, self.free, self.bulk, self.held_bulk, self.held, self._homes):
            lane.clear()
        return calls
