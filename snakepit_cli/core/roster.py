"""The workers of a pool: their states, what each runs, which have room, and when each needs attention.

`workers` is the truth. Everything beside it (`idle`, `partly`, `serving`, `placed`, `running`) could be derived
from it and is kept only because a call must not cost a walk over all workers; invariants.py compares.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heappop, heappush
from math import inf

from snakepit_cli.core.call import Call
from snakepit_cli.core.pace import STALL
from snakepit_cli.core.worker import Draining, Dying, Serving, Starting, Stopping, Worker, calls_of, due


class Roster:
    """`serving` workers are attached and take calls, `placed` ones count towards the size of the pool.

    Of the serving ones `idle` have no call, `partly` run fewer than they can, and `stacked` are full, but with quick
    calls only, so that they can be given some more to hold.

    At most `most` workers have calls at a time: what is idle beyond that is spare, and takes over when one is lost.
    """

    __slots__ = ("idle", "most", "partly", "placed", "running", "serving", "stacked", "timers", "workers")

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.idle: OrderedDict[str, Serving] = OrderedDict()
        self.partly: OrderedDict[str, Serving] = OrderedDict()
        self.stacked: OrderedDict[str, Serving] = OrderedDict()
        self.serving = 0
        self.placed = 0
        self.most: float = inf
        self.running: dict[int, str] = {}
        self.timers: list[tuple[float, str]] = []

    # -- workers --

    def put(self, worker: str, state: Worker) -> None:
        """The worker is in this state from now on. Its calls stay where they are, and so do their timers."""
        self._uncount(worker)
        self.workers[worker] = state
        if isinstance(state, Serving):
            self.serving += 1
            self.idle[worker] = state
        if isinstance(state, Starting | Serving | Dying):
            self.placed += 1
        if isinstance(state, Starting | Draining | Stopping | Dying):
            # Not only what is due first: an abandoned call may be over before the deadline of the drain.
            self.watch(worker, state.deadline)

    def remove(self, worker: str) -> None:
        self._uncount(worker)
        del self.workers[worker]

    def _uncount(self, worker: str) -> None:
        old = self.workers.get(worker)
        if isinstance(old, Serving):
            self.serving -= 1
            self.idle.pop(worker, None)
            self.partly.pop(worker, None)
            self.stacked.pop(worker, None)
        if isinstance(old, Starting | Serving | Dying):
            self.placed -= 1

    def those(self, kind: type) -> list[str]:
        """The workers in one state, newest first."""
        return [worker for worker in reversed(self.workers) if isinstance(self.workers[worker], kind)]

    # -- calls --

    @property
    def full(self) -> bool:
        """All busy workers that calls may use are busy: the idle ones are spares."""
        return self.serving - len(self.idle) >= self.most

    @property
    def room(self) -> bool:
        """Some worker can be given a call."""
        return bool(self.partly or (self.idle and not self.full))

    def has_room(self, worker: str) -> bool:
        return worker in self.partly or (worker in self.idle and not self.full)

    def choose(self, home: str | None) -> str | None:
        """A worker with room.

        Home first. Then an idle one, since a second call on one process mostly waits for the first; of these
        the one that was busy last, whose caches are warm, so that the others stay swapped out. Then, among
        those that run something, the one that was given a call longest ago: that spreads the load.
        """
        if home is not None and self.has_room(home):
            return home
        if self.idle and not self.full:
            return next(reversed(self.idle))
        return next(iter(self.partly), None)

    def stack(self, home: str | None, depth: int) -> str | None:
        """A full worker that may hold one more quick call, when it holds fewer than `depth`."""
        stacked = self.stacked
        worker = home if home is not None and home in stacked else next(iter(stacked), None)
        return worker if worker is not None and len(stacked[worker].live) < depth else None

    def take(self, worker: str, call: Call, now: float) -> None:
        """Assigns the call to the chosen worker."""
        state = self.workers[worker]
        assert isinstance(state, Serving)  # noqa: S101 - for the type checker
        if not state.live:
            state.touched, state.answers = now, 0
        elif len(state.live) >= state.capacity and state.look_at == inf:
            state.look_at = now + STALL
            self.watch(worker, state.look_at)
        state.live[call.id] = call
        self.running[call.id] = worker
        if call.quick and worker in self.stacked:
            self.stacked.move_to_end(worker)
            return
        state.slow += not call.quick
        self._sort(worker, state)

    def release(self, worker: str, state: Serving) -> None:
        """A call has left the worker, so there may be room."""
        if not state.live:
            state.look_at = inf
        elif worker in self.stacked:
            return  # there is one less on the stack, that is all
        self._sort(worker, state)

    def is_slow(self, worker: str, state: Serving, call: Call) -> None:
        """The call is not quick after all: nothing is queued behind it any more."""
        state.slow += call.quick
        call.quick = False
        self._sort(worker, state)

    def _sort(self, worker: str, state: Serving) -> None:
        """Moves the worker to the end of the set it belongs to."""
        taken = len(state.live) + len(state.abandoned)
        if not taken:
            belongs: OrderedDict[str, Serving] | None = self.idle
        elif taken < state.capacity:
            belongs = self.partly
        elif not state.slow and not state.abandoned and state.capacity == 1:
            belongs = self.stacked
        else:
            belongs = None
        for lane in (self.idle, self.partly, self.stacked):
            if lane is not belongs:
                lane.pop(worker, None)
        if belongs is not None:
            belongs[worker] = state
            belongs.move_to_end(worker)

    def abandon(self, worker: str, state: Serving | Draining, call: int, kill_at: float) -> None:
        """The call is settled but keeps its slot: the worker may still run it."""
        gone = state.live.pop(call)
        del self.running[call]
        state.abandoned[call] = kill_at
        if isinstance(state, Serving):
            state.slow -= not gone.quick
            self._sort(worker, state)
        self.watch(worker, kill_at)

    def drop(self, state: Worker) -> list[Call]:
        """Take all unsettled calls from the worker."""
        live = calls_of(state)
        calls = list(live.values())
        for call in calls:
            del self.running[call.id]
        live.clear()
        return calls

    # -- time --

    def watch(self, worker: str, at: float) -> None:
        if at < inf:
            heappush(self.timers, (at, worker))

    def due(self, now: float) -> Iterator[str]:
        """Workers that need attention now. The caller must see to each before it asks for the next."""
        while self.timers and self.timers[0][0] <= now:
            worker = heappop(self.timers)[1]
            state = self.workers.get(worker)
            if state is not None and due(state) <= now:
                yield worker

    def soonest(self) -> float:
        timers = self.timers
        while timers:
            at, worker = timers[0]
            state = self.workers.get(worker)
            if state is not None and due(state) <= at:
                return at
            heappop(timers)  # what it was set for has not come to pass
        return inf
