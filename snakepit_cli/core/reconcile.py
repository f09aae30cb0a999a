"""What follows every event: expire → refill → assign."""

from __future__ import annotations

from math import inf

from snakepit_cli.core import failures
from snakepit_cli.core.call import Call
from snakepit_cli.core.effects import Drained, Recall
from snakepit_cli.core.events import Gate
from snakepit_cli.core.moves.calls import settle_running
from snakepit_cli.core.pace import STALL
from snakepit_cli.core.placement import assign
from snakepit_cli.core.state import Effects, State
from snakepit_cli.core.table import Closing, Failed, Open, Over
from snakepit_cli.core.worker import Draining, Dying, Serving, Starting, Stopping, calls_of


def next_deadline(pool: State) -> float | None:
    """The instant at which time alone changes something."""
    queue, roster, phase = pool.queue, pool.roster, pool.phase
    at = pool.deadlines.soonest(queue, roster.running)
    if queue.patient and roster.serving:
        at = min(at, pool.patience_ends())
    if roster.timers:
        at = min(at, roster.soonest())
    if type(phase) is Open:
        if roster.placed < pool.wanted and pool.restarts.until is not None:
            at = min(at, pool.restarts.until)
    elif type(phase) is Failed and roster.serving:
        at = min(at, phase.retry_at)
    return None if at == inf else at


def tail(pool: State, now: float, out: Effects) -> None:
    roster, queue = pool.roster, pool.queue
    calls, timers = pool.deadlines.heap, roster.timers
    if calls and calls[0][0] <= now:
        _expire_calls(pool, now, out)
    if timers and timers[0][0] <= now:
        _expire_workers(pool, now, out)
    if type(pool.phase) is not Open:
        _follow_phase(pool, now, out)
    else:
        if roster.placed < pool.wanted:
            pool.spawn(pool.restarts.allow(pool.wanted - roster.placed, now), now, out)
        if pool.replacing and roster.placed == pool.wanted:
            pool.spawn(1, now, out)
    if len(queue):
        assign(pool, now, out)
        # Last, so that no call times out in the queue at the moment in which a worker is free.
        if queue.patient and roster.serving:
            _expire_patience(pool, now, out)


def _expire_calls(pool: State, now: float, out: Effects) -> None:
    while (call := pool.deadlines.pop_due(now)) is not None:
        if (waiting := pool.queue.remove(call)) is not None:
            _time_out_waiting(pool, waiting, now, out)
        elif (worker := pool.roster.running.get(call)) is not None:
            running = calls_of(pool.roster.workers[worker])[call]
            if running.deadline > now:
                pool.deadlines.push(running)  # it has moved on since
                continue
            pool.tally.errors += 1
            since = running.deadline - running.allowance if running.allowance else running.submitted
            settle_running(pool, call, failures.worker_timeout(worker, now - since), now, out)


def _expire_workers(pool: State, now: float, out: Effects) -> None:
    for worker in pool.roster.due(now):
        match pool.roster.workers[worker]:
            case Starting(since=since):
                pool.kill(worker, {}, now, out)
                pool.count_slow_start(now - since)
                limit = pool.limits.startup_timeout
                reason = failures.startup_timeout(pool.name, limit, worker, now - since)
                pool.count_failed_start(reason, False, now, out)
            case Draining(deadline=deadline) as state if deadline <= now:
                pool.settle_all(pool.roster.drop(state), failures.stopped(pool.name, over=False), now, out)
                pool.stop(worker, now, out)
            case Draining(live=live):
                pool.kill(worker, live, now, out)
            case Serving() as state if min(state.abandoned.values(), default=inf) > now:
                _look_at_stack(pool, worker, state, now, out)
            case Serving(live=live):
                pool.tally.restarts += 1
                pool.replacing.pop(worker, None)
                pool.kill(worker, live, now, out)
            case Stopping():
                pool.kill(worker, {}, now, out)
            case Dying(live=live):
                pool.kill(worker, live, now, out)


def _look_at_stack(pool: State, worker: str, state: Serving, now: float, out: Effects) -> None:
    """Checks workers that hold several quick calls for one that has turned out to be slow."""
    silent = now - state.touched
    state.look_at = inf
    if len(state.live) <= 1:
        return
    if state.answers:
        state.touched, state.answers = now, 0
        silent = 0.0
    if silent < STALL:
        state.look_at = now + STALL
        pool.roster.watch(worker, state.look_at)
        return
    first, *others = state.live.values()
    pool.paces.stalled(first.command, silent)
    out.append(Recall(worker, tuple(call.id for call in others)))
    pool.roster.is_slow(worker, state, first)


def _follow_phase(pool: State, now: float, out: Effects) -> None:
    phase, roster, queue = pool.phase, pool.roster, pool.queue
    if isinstance(phase, Failed):
        if now >= phase.retry_at and (roster.serving or len(queue)):
            pool.open(now, out)
        elif len(queue) and not roster.serving:
            pool.settle_all(queue.clear(), phase.reason, now, out)
    elif isinstance(phase, Closing) and not roster.workers:
        pool.phase = Over()
        out.append(Drained())


def _expire_patience(pool: State, now: float, out: Effects) -> None:
    while pool.patience_ends() <= now:
        oldest = next(iter(pool.queue.patient))
        waiting = pool.queue.remove(oldest)
        if waiting is not None:
            _time_out_waiting(pool, waiting, now, out)


def _time_out_waiting(pool: State, call: Call, now: float, out: Effects) -> None:
    pool.tally.queue_timeouts += 1
    waited = now - call.waiting_since
    if pool.gate is Gate.PAUSED:
        reason = failures.paused(pool.name, waited)
    elif not pool.roster.serving:
        reason = failures.no_worker(pool.name, waited, pool.limits.startup_timeout)
    else:
        reason = failures.queue_timeout(waited, pool.figures())
    pool.settle(call.id, reason, now, out)
