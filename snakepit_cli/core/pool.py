"""The pool: one function takes an event, changes the state and says what to do. The shell does it.

Whatever the event, `handle` looks up the one move the table has for it and then always runs the same tail:
expire → refill → assign. Nothing calls `handle` from inside, nothing waits, nothing looks at a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from random import Random
from typing import Any

from snakepit_cli.core import failures
from snakepit_cli.core.affinity import Homes
from snakepit_cli.core.backoff import Backoff, Restarts
from snakepit_cli.core.call import Call, Deadlines
from snakepit_cli.core.effects import Dispatch, Drained, Effect, Interrupt, Kill, Settle, Spawn, Stop
from snakepit_cli.core.events import (
    Adopt,
    Attached,
    Cancel,
    Drain,
    Event,
    Exited,
    Failure,
    Finished,
    Resize,
    StartFailed,
    Submit,
    Unresponsive,
)
from snakepit_cli.core.invariants import problems
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.queue import Queue
from snakepit_cli.core.roster import Roster
from snakepit_cli.core.snapshot import Snapshot, Tally, look
from snakepit_cli.core.story import InvalidTransition, Story
from snakepit_cli.core.table import BUG, IGNORE, PHASE_NAMES, TABLE, Closing, Failed, Open, Over, Phase, Unstarted
from snakepit_cli.core.worker import GONE, Draining, Dying, Serving, Starting, Stopping, calls_of

# The first pause after giving up: whoever calls in a loop shall not start a doomed worker each time.
FIRST_RETRY = 1.0
# The warden kills a stopped worker after its grace; it gets this much longer before the pool does it again.
STOP_SLACK = 1.0

Effects = list[Effect]
Move = Callable[["Pool", Any, Any, float, Effects], None]


class Pool:
    """One named pool of workers. Starts empty; the first Resize starts it. Ids of calls are never used again."""

    def __init__(
        self, name: str, size: int, limits: Limits, *, rng: Random | None = None, first_worker: int = 1
    ) -> None:
        self.name = name
        self._size = size
        self._limits = limits
        self._next_worker = first_worker
        self._phase: Phase = Unstarted()
        self._roster = Roster()
        self._queue = Queue(limits.queue_size)
        self._deadlines = Deadlines()
        self._homes = Homes()
        self._story = Story()
        # Seeded by the name: repeatable, and no two pools jitter alike.
        self._restarts = Restarts(limits, rng or Random(name))  # noqa: S311 - no secret depends on it
        self._retries = Backoff(FIRST_RETRY, limits.backoff_max)
        self._failed_starts = 0
        self._serving_since = -inf
        self._tally = Tally()

    def __repr__(self) -> str:
        roster, queue = self._roster, self._queue
        return (
            f"<Pool {self.name} {self._state_name()}: {roster.serving}/{self._size} workers, "
            f"{len(roster.running)} running, {len(queue.calls)} waiting>"
        )

    def handle(self, event: Event, now: float) -> Effects:
        """Take in what happened at `now` (never less than before); the effects are to be done in order."""
        out: Effects = []
        state: object = self._phase
        if isinstance(event, (Finished, Attached, Exited, StartFailed, Unresponsive)):
            state = self._roster.workers.get(event.worker, GONE)
        move = _MOVES[type(state), type(event)]
        if move is not None:
            move(self, event, state, now, out)
        self._tail(now, out)
        self._story.add(now, event, out)
        return out

    def next_deadline(self) -> float | None:
        """The instant at which the shell must send Tick, None if time alone changes nothing."""
        queue, roster, phase = self._queue, self._roster, self._phase
        at = self._deadlines.soonest(queue.calls, roster.running)
        if queue.calls and roster.serving:
            at = min(at, self._patience_ends())
        if roster.timers:
            at = min(at, roster.soonest())
        if type(phase) is Open:
            if roster.placed < self._size and self._restarts.until is not None:
                at = min(at, self._restarts.until)
        elif type(phase) is Failed and roster.serving:
            at = min(at, phase.retry_at)
        return None if at == inf else at

    # -- moves: calls --

    def _accept(self, event: Submit, _state: object, now: float, out: Effects) -> None:
        call, queue, roster = event.call, self._queue, self._roster
        if call in roster.running or call in queue.calls:
            return  # said twice; it will have its one answer
        self._tally.requests += 1
        if len(queue.calls) >= queue.size and not roster.idle and not roster.partly:
            self._tally.saturated += 1
            out.append(Settle(call, failures.saturated(queue.size, self._figures())))
            return
        timeout = event.timeout
        if timeout is None:
            timeout = self._limits.stream_timeout if event.stream else self._limits.request_timeout
        accepted = Call(call, event.session, now, now + timeout)
        queue.push(accepted)
        self._deadlines.push(accepted)
        if self._deadlines.overgrown(len(queue.calls) + len(roster.running)):
            self._deadlines.rebuild(queue.calls, roster.running)

    def _accept_or_fail(self, event: Submit, state: Failed, now: float, out: Effects) -> None:
        if not self._roster.serving:
            if now < state.retry_at:
                self._reject(event.call, state.reason, out)
                return
            self._open(now, out)
        self._accept(event, state, now, out)

    def _refuse(self, event: Submit, state: object, _now: float, out: Effects) -> None:
        self._reject(event.call, failures.stopped(self.name, over=not isinstance(state, Closing)), out)

    def _reject(self, call: int, reason: Failure, out: Effects) -> None:
        if call not in self._roster.running:
            self._tally.requests += 1
            out.append(Settle(call, reason))

    def _cancel(self, event: Cancel, _state: object, now: float, out: Effects) -> None:
        if self._queue.remove(event.call) is not None:
            out.append(Settle(event.call, failures.CANCELLED))
        elif event.call in self._roster.running:
            self._settle_running(event.call, failures.CANCELLED, now, out)

    def _finished(self, event: Finished, state: Serving, _now: float, out: Effects) -> None:
        if state.live.pop(event.call, None) is not None:
            self._answer(event, out)
        elif state.abandoned.pop(event.call, None) is None:
            return
        self._roster.release(event.worker, state)

    def _finished_last(self, event: Finished, state: Draining, now: float, out: Effects) -> None:
        if state.live.pop(event.call, None) is None:
            state.abandoned.pop(event.call, None)
            return
        self._answer(event, out)
        if not state.live:
            self._stop(event.worker, now, out)

    def _finished_dying(self, event: Finished, state: Dying, _now: float, out: Effects) -> None:
        if state.live.pop(event.call, None) is not None:
            self._answer(event, out)

    def _answer(self, event: Finished, out: Effects) -> None:
        del self._roster.running[event.call]
        self._tally.errors += event.failed
        out.append(Settle(event.call, event.reply))

    def _settle_running(self, call: int, outcome: Failure, now: float, out: Effects) -> None:
        """Answer for the worker, which may still be at it: the slot is not free before it says so."""
        roster = self._roster
        worker = roster.running[call]
        state = roster.workers[worker]
        out.append(Settle(call, outcome))
        if not isinstance(state, (Serving, Draining)):
            del calls_of(state)[call], roster.running[call]  # dying: no use talking to it
            return
        out.append(Interrupt(worker, call))
        roster.abandon(worker, state, call, now + self._limits.cancel_grace)
        if isinstance(state, Draining) and not state.live:
            self._stop(worker, now, out)

    # -- moves: workers --

    def _attached(self, event: Attached, _state: Starting, now: float, out: Effects) -> None:
        if not self._roster.serving:
            self._serving_since = now
        self._roster.put(event.worker, Serving(max(1, event.capacity), now, {}, {}))
        for session in event.sessions:
            self._homes.put(session, event.worker)
        self._failed_starts = 0
        self._retries.reset()
        if isinstance(self._phase, Failed):  # it can be done after all
            self._open(now, out)

    def _start_failed(self, event: StartFailed | Exited, _state: Starting, now: float, out: Effects) -> None:
        self._roster.remove(event.worker)
        self._count_failed_start(event.failure, isinstance(event, StartFailed) and event.permanent, now, out)

    def _count_failed_start(self, failure: Failure, permanent: bool, now: float, out: Effects) -> None:
        self._failed_starts += 1
        if permanent:
            for worker in self._roster.those(Starting):  # they would fail in the same way
                self._kill(worker, {}, out)
        elif self._failed_starts < self._limits.give_up_after:
            return
        if not isinstance(self._phase, Failed):
            self._phase = Failed(failure, now + self._retries.next())

    def _lost(self, event: Exited, state: Serving, now: float, out: Effects) -> None:
        self._tally.restarts += 1
        self._buried(event, state, now, out)

    def _buried(
        self, event: Exited | StartFailed, state: Serving | Draining | Stopping | Dying, _now: float, out: Effects
    ) -> None:
        self._settle_all(self._roster.drop(state), event.failure, out)
        self._roster.remove(event.worker)

    def _unresponsive(self, event: Unresponsive, state: Serving | Draining, _now: float, out: Effects) -> None:
        self._tally.restarts += 1
        self._settle_all(self._roster.drop(state), event.failure, out)
        self._kill(event.worker, {}, out)

    def _settle_all(self, calls: list[Call], failure: Failure, out: Effects) -> None:
        self._tally.errors += len(calls)
        out.extend(Settle(call.id, failure) for call in calls)

    def _kill(self, worker: str, live: dict[int, Call], out: Effects) -> None:
        self._roster.put(worker, Dying(live))
        out.append(Kill(worker))

    def _stop(self, worker: str, now: float, out: Effects) -> None:
        grace = self._limits.stop_grace
        self._roster.put(worker, Stopping(now + grace + STOP_SLACK))
        out.append(Stop(worker, grace))

    def _retire(self, worker: str, deadline: float, now: float, out: Effects) -> None:
        """Take the worker out of service; it may finish its calls until `deadline`."""
        state = self._roster.workers[worker]
        if isinstance(state, (Serving, Draining)) and state.live:
            self._roster.put(worker, Draining(state.live, state.abandoned, deadline))
        else:
            # No one waits for an abandoned call: it is no reason to let the worker live.
            self._stop(worker, now, out)

    # -- moves: the pool --

    def _adopt(self, event: Adopt, _state: object, now: float, _out: Effects) -> None:
        for worker in event.workers:
            self._roster.put(worker, Starting(now, now + self._limits.startup_timeout))

    def _resize(self, event: Resize, _state: object, now: float, out: Effects) -> None:
        self._size = max(0, event.size)
        self._retries.reset()
        self._open(now, out)
        roster = self._roster
        # What starts is given up first, since nothing is warm in it; then what is idle; then what is busy.
        starting, serving = roster.those(Starting), roster.those(Serving)
        serving.sort(key=lambda worker: bool(calls_of(roster.workers[worker])))
        victims = starting + serving
        for worker in victims[: max(0, len(victims) - self._size)]:
            self._retire(worker, inf, now, out)

    def _open(self, now: float, out: Effects) -> None:
        """Start what is missing, with a clean record."""
        self._phase = Open()
        self._failed_starts = 0
        self._restarts.reset()
        self._spawn(self._size - self._roster.placed, now, out)

    def _spawn(self, count: int, now: float, out: Effects) -> None:
        if count <= 0:
            return
        first, self._next_worker = self._next_worker, self._next_worker + count
        workers = tuple(f"{self.name}-{n}" for n in range(first, self._next_worker))
        for worker in workers:
            self._roster.put(worker, Starting(now, now + self._limits.startup_timeout))
        out.append(Spawn(workers))

    def _drain(self, event: Drain, state: Phase, now: float, out: Effects) -> None:
        deadline = now + event.grace
        if isinstance(state, Closing):
            deadline = min(deadline, state.deadline)
        self._phase = Closing(deadline)
        self._settle_all(self._queue.clear(), failures.stopped(self.name, over=False), out)
        for worker, has in list(self._roster.workers.items()):
            if not isinstance(has, (Stopping, Dying)):
                self._retire(worker, deadline, now, out)

    # -- the tail --

    def _tail(self, now: float, out: Effects) -> None:
        roster, queue = self._roster, self._queue
        calls, timers = self._deadlines.heap, roster.timers
        if calls and calls[0][0] <= now:
            self._expire_calls(now, out)
        if timers and timers[0][0] <= now:
            self._expire_workers(now, out)
        if type(self._phase) is not Open:
            self._tail_of_phase(now, out)
        elif roster.placed < self._size:
            self._spawn(self._restarts.allow(self._size - roster.placed, now), now, out)
        if queue.calls:
            if roster.idle or roster.partly:
                self._assign(now, out)
            # Last, so that no call is refused for want of a worker at the moment in which one is free.
            if queue.calls and roster.serving:
                self._expire_patience(now, out)

    def _expire_calls(self, now: float, out: Effects) -> None:
        while (call := self._deadlines.pop_due(now)) is not None:
            if (waiting := self._queue.remove(call)) is not None:
                self._time_out_waiting(waiting, now, out)
            elif (worker := self._roster.running.get(call)) is not None:
                running = calls_of(self._roster.workers[worker])[call]
                self._tally.errors += 1
                self._settle_running(call, failures.worker_timeout(worker, now - running.submitted), now, out)

    def _expire_workers(self, now: float, out: Effects) -> None:
        for worker in self._roster.due(now):
            match self._roster.workers[worker]:
                case Starting(since=since):
                    self._kill(worker, {}, out)
                    self._count_failed_start(failures.startup_timeout(worker, now - since), False, now, out)
                case Draining(deadline=deadline) as state if deadline <= now:
                    self._settle_all(self._roster.drop(state), failures.stopped(self.name, over=False), out)
                    self._stop(worker, now, out)
                case Draining(live=live):
                    self._kill(worker, live, out)
                case Serving(live=live):
                    self._tally.restarts += 1
                    self._kill(worker, live, out)
                case Stopping():
                    self._kill(worker, {}, out)

    def _tail_of_phase(self, now: float, out: Effects) -> None:
        phase, roster, queue = self._phase, self._roster, self._queue
        if isinstance(phase, Failed):
            if now >= phase.retry_at and (roster.serving or queue.calls):
                self._open(now, out)
            elif queue.calls and not roster.serving:
                self._settle_all(queue.clear(), phase.reason, out)
        elif isinstance(phase, Closing) and not roster.workers:
            self._phase = Over()
            out.append(Drained())

    def _assign(self, now: float, out: Effects) -> None:
        queue, roster, homes = self._queue, self._roster, self._homes
        while queue.calls and (roster.idle or roster.partly):
            call = queue.pop()
            session = call.session
            if session is None:
                worker = roster.choose(None)
            else:
                worker = roster.choose(homes.get(session))
                homes.put(session, worker)
            roster.take(worker, call)
            out.append(Dispatch(worker, call.id, call.deadline - now))

    def _patience_ends(self) -> float:
        """Of the oldest waiting call. The others may wait longer, or as long."""
        return max(self._queue.oldest().submitted, self._serving_since) + self._limits.queue_timeout

    def _expire_patience(self, now: float, out: Effects) -> None:
        while self._queue.calls and self._patience_ends() <= now:
            self._time_out_waiting(self._queue.pop(), now, out)

    def _time_out_waiting(self, call: Call, now: float, out: Effects) -> None:
        self._tally.queue_timeouts += 1
        out.append(Settle(call.id, failures.queue_timeout(now - call.submitted, self._figures())))

    # -- what others see --

    def _figures(self) -> failures.Figures:
        roster = self._roster
        return failures.Figures(roster.serving - len(roster.idle), roster.serving, len(self._queue.calls))

    def _state_name(self) -> str:
        degraded = isinstance(self._phase, Failed) and self._roster.serving
        return "degraded" if degraded else PHASE_NAMES[type(self._phase)]

    def snapshot(self) -> Snapshot:
        reason = self._phase.reason if isinstance(self._phase, Failed) else None
        state, roster, queue, tally = self._state_name(), self._roster, self._queue, self._tally
        return look(self.name, state, size=self._size, roster=roster, queue=queue, tally=tally, reason=reason)

    def check(self) -> None:
        """Assert every invariant that holds between two events."""
        pausing, phase, roster, queue = self._restarts.until is not None, self._phase, self._roster, self._queue
        for problem in problems(phase, roster, queue, self._deadlines, size=self._size, pausing=pausing):
            raise AssertionError("\n".join((f"{problem}: {self!r}", *self._story.lines())))

    def _impossible(self, event: Event, state: object, _now: float, _out: Effects) -> None:
        raise InvalidTransition(self.name, state, event, self._story.lines())


def _move(action: str) -> Move | None:
    if action == IGNORE:
        return None
    move: Move = getattr(Pool, "_impossible" if action == BUG else action)
    return move


_MOVES: dict[tuple[type, type], Move | None] = {pair: _move(action) for pair, action in TABLE.items()}
