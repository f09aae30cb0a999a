"""A pool's state, and the changes that several moves share."""

from __future__ import annotations

from math import inf
from random import Random

from snakepit_cli.base.ids import WorkerId
from snakepit_cli.core import failures
from snakepit_cli.core.affinity import Homes
from snakepit_cli.core.backoff import Backoff, Restarts
from snakepit_cli.core.breaker import Breaker
from snakepit_cli.core.call import Call, Deadlines
from snakepit_cli.core.effects import Effect, Kill, Settle, Spawn, Stop
from snakepit_cli.core.events import Failure, Gate
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pace import Paces
from snakepit_cli.core.queue import Queue
from snakepit_cli.core.roster import Roster
from snakepit_cli.core.snapshot import Snapshot, Tally, look
from snakepit_cli.core.table import PHASE_NAMES, Failed, Open, Phase, Unstarted
from snakepit_cli.core.worker import Draining, Dying, Serving, Starting, Stopping

# First pause after giving up: a client that calls in a loop must not start a failing worker each time.
FIRST_RETRY = 1.0
# The warden kills a stopped worker after its grace; it gets this much longer before the pool does it again.
STOP_SLACK = 1.0
# A killed worker is gone within milliseconds. When its exit is not reported, the kill is sent again.
KILL_AGAIN = 5.0
# After this many rounds in which no worker was ready in time the pool gives up. A call makes it try again, for longer.
_SLOW_ROUNDS = 2
_MOST_DOUBLINGS = 5

Effects = list[Effect]


class State:
    """State of one pool. Only the moves change it."""

    def __init__(  # noqa: PLR0917
        self, name: str, size: int, limits: Limits, rng: Random | None, first_worker: int, spare: int
    ) -> None:
        self.name = name
        self.size = size
        self.spare = spare
        """Workers beyond the size, which are kept idle."""
        self.next_worker = first_worker
        self.phase: Phase = Unstarted()
        self.gate = Gate.OPEN
        self.roster = Roster()
        self.queue = Queue()
        self.deadlines = Deadlines()
        self.homes = Homes()
        self.paces = Paces()
        self.breaker = Breaker()
        self.replacing: dict[str, None] = {}
        """Workers to be replaced, in this order."""
        # Seeded by the name: repeatable, and no two pools jitter alike.
        self._rng = rng or Random(name)  # noqa: S311 - no secret depends on it
        self.failed_starts = 0
        self.limit(limits)
        self.serving_since = -inf
        self.resize(size)
        self.tally = Tally()

    # -- workers --

    @property
    def wanted(self) -> int:
        """How many workers there should be."""
        return self.size + self.spare if self.size else 0

    def limit(self, limits: Limits) -> None:
        self.limits = limits
        self.restarts = Restarts(limits, self._rng)
        self.retries = Backoff(FIRST_RETRY, limits.backoff_max)
        self.slow_starts = 0
        """Rounds in a row in which workers were not ready in time: each gives the next one twice the time."""

    def resize(self, size: int) -> None:
        self.size = size
        self.roster.most = size if self.spare else inf

    def open(self, now: float, out: Effects) -> None:
        """Starts the missing workers and resets the record of failed starts."""
        self.phase = Open()
        self.failed_starts = 0
        self.restarts.reset()
        self.spawn(self.wanted - self.roster.placed, now, out)

    def spawn(self, count: int, now: float, out: Effects) -> None:
        if count <= 0:
            return
        first, self.next_worker = self.next_worker, self.next_worker + count
        workers = tuple(str(WorkerId(self.name, n)) for n in range(first, self.next_worker))
        for worker in workers:
            self.roster.put(worker, Starting(now, now + self.startup_timeout))
        out.append(Spawn(workers))

    @property
    def startup_timeout(self) -> float:
        """Seconds that a worker has now to get ready: longer than the limit when that was too short."""
        return self.limits.startup_timeout * 2.0 ** min(self.slow_starts, _MOST_DOUBLINGS)

    def count_slow_start(self, elapsed: float) -> None:
        if elapsed >= self.startup_timeout:  # the first of its round
            self.slow_starts += 1

    def kill(self, worker: str, live: dict[int, Call], now: float, out: Effects) -> None:
        self.roster.put(worker, Dying(live, now + KILL_AGAIN))
        out.append(Kill(worker))

    def stop(self, worker: str, now: float, out: Effects) -> None:
        grace = self.limits.stop_grace
        self.roster.put(worker, Stopping(now + grace + STOP_SLACK))
        out.append(Stop(worker, grace))

    def retire(self, worker: str, deadline: float, now: float, out: Effects) -> None:
        """Take the worker out of service; it may finish its calls until `deadline`."""
        state = self.roster.workers[worker]
        if isinstance(state, (Serving, Draining)) and state.live:
            self.roster.put(worker, Draining(state.live, state.abandoned, deadline))
        else:
            # No one waits for an abandoned call: it is no reason to let the worker live.
            self.stop(worker, now, out)

    def count_failed_start(self, failure: Failure, permanent: bool, now: float, out: Effects) -> None:
        self.failed_starts += 1
        if permanent:
            for worker in self.roster.those(Starting):  # they would fail in the same way
                self.kill(worker, {}, now, out)
        elif self.failed_starts < self.limits.give_up_after and self.slow_starts < _SLOW_ROUNDS:
            return
        self.replacing.clear()  # what there is, is better than nothing
        if not isinstance(self.phase, Failed):
            self.phase = Failed(failure, now + self.retries.next())

    # -- calls --

    def settle(self, call: int, failure: Failure, now: float, out: Effects) -> None:
        """Settles a call with a failure that the pool decided."""
        self.breaker.over(call, now)
        out.append(Settle(call, failure))

    def settle_all(self, calls: list[Call], failure: Failure, now: float, out: Effects) -> None:
        self.tally.errors += len(calls)
        for call in calls:
            self.settle(call.id, failure, now, out)

    def orphaned(self, calls: list[Call], failure: Failure, now: float, out: Effects) -> None:
        """Their worker has died of one of them. Those that may run again do."""
        if any(not call.behind for call in calls):
            self.breaker.died(now)
        for call in reversed(calls):
            if call.lives and call.deadline > now and isinstance(self.phase, Open):
                call.lives -= 1
                self.queue.push_back(call, now)
        self.settle_all([call for call in calls if call.id not in self.queue], failure, now, out)

    def figures(self) -> failures.Figures:
        roster = self.roster
        return failures.Figures(roster.serving - len(roster.idle), roster.serving, len(self.queue))

    # -- what others see --

    @property
    def title(self) -> str:
        """The pool's state in one word."""
        if isinstance(self.phase, Failed) and self.roster.serving:
            return "degraded"
        if isinstance(self.phase, Open) and self.gate is not Gate.OPEN:
            return str(self.gate.value)
        return PHASE_NAMES[type(self.phase)]

    def patience_ends(self) -> float:
        """Queue timeout of the call that has waited longest."""
        oldest = next(iter(self.queue.patient.values()), None)
        if oldest is None or self.gate is Gate.PAUSED:
            return inf
        return max(oldest.waiting_since, self.serving_since) + self.limits.queue_timeout

    def snapshot(self) -> Snapshot:
        reason = self.phase.reason if isinstance(self.phase, Failed) else None
        return look(
            self.name, self.title, size=self.size, roster=self.roster, queue=self.queue, tally=self.tally,
            reason=reason, breaker=self.breaker.name,
        )  # fmt: skip
