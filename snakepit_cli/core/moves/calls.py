"""Moves for calls: submit, cancel, progress, finish."""

from __future__ import annotations

from math import inf

from snakepit_cli.core import failures
from snakepit_cli.core.breaker import Closed
from snakepit_cli.core.call import Call
from snakepit_cli.core.effects import Interrupt, Settle
from snakepit_cli.core.events import Cancel, Failure, Finished, Gate, Progress, Returned, Submit
from snakepit_cli.core.pace import SAMPLE
from snakepit_cli.core.placement import send_home
from snakepit_cli.core.state import Effects, State
from snakepit_cli.core.table import Closing, Failed
from snakepit_cli.core.worker import Draining, Dying, Serving, calls_of

LIVES = 2
"""How often an idempotent call is retried after worker crashes."""


def accept(pool: State, event: Submit, _state: object, now: float, out: Effects) -> None:
    queue, roster = pool.queue, pool.roster
    if event.call in roster.running or event.call in queue:
        return  # said twice; it will have its one answer
    pool.tally.requests += 1
    if pool.gate is not Gate.OPEN or len(queue) >= pool.limits.queue_size or type(pool.breaker.state) is not Closed:
        refused = _turned_away(pool, event, now)
        if refused is not None:
            out.append(Settle(event.call, refused))
            return
    call = _call_of(pool, event, now)
    if len(pool.deadlines.heap) > 64 and pool.deadlines.overgrown(len(queue) + len(roster.running)):
        pool.deadlines.rebuild(queue, roster.running)
    pool.deadlines.push(call)
    if call.strict and send_home(pool, call, now, out):
        return
    queue.push(call, now)


def _turned_away(pool: State, event: Submit, now: float) -> Failure | None:
    queue, roster = pool.queue, pool.roster
    if pool.gate is Gate.CLOSED:
        return failures.closed(pool.name)
    if len(queue) >= pool.limits.queue_size and not roster.room:
        pool.tally.saturated += 1
        return failures.saturated(pool.limits.queue_size, pool.figures())
    if not _behind(event) and not pool.breaker.admits(event.call, now):
        return failures.tripped(pool.name)
    return None


def _call_of(pool: State, event: Submit, now: float) -> Call:
    timeout = event.timeout
    if timeout is None:
        timeout = pool.limits.stream_timeout if event.stream and not event.bulk else pool.limits.request_timeout
    return Call(
        event.call,
        event.command,
        event.session,
        now,
        inf if _behind(event) else now + timeout,
        max(timeout, 1e-3) if event.bulk else 0.0,
        event.affinity,
        LIVES if event.idempotent else 0,
        behind=_behind(event),
        only=event.only,
    )


def _behind(event: Submit) -> bool:
    return event.bulk and not event.fair


def accept_or_fail(pool: State, event: Submit, state: Failed, now: float, out: Effects) -> None:
    if not pool.roster.serving:
        if now < state.retry_at:
            _reject(pool, event.call, state.reason, out)
            return
        pool.open(now, out)
    accept(pool, event, state, now, out)


def refuse(pool: State, event: Submit, state: object, _now: float, out: Effects) -> None:
    _reject(pool, event.call, failures.stopped(pool.name, over=not isinstance(state, Closing)), out)


def _reject(pool: State, call: int, reason: Failure, out: Effects) -> None:
    if call not in pool.roster.running:
        pool.tally.requests += 1
        out.append(Settle(call, reason))


def cancel(pool: State, event: Cancel, _state: object, now: float, out: Effects) -> None:
    if pool.queue.remove(event.call) is not None:
        pool.settle(event.call, failures.CANCELLED, now, out)
    elif event.call in pool.roster.running:
        settle_running(pool, event.call, failures.CANCELLED, now, out)


def settle_running(pool: State, call: int, outcome: Failure, now: float, out: Effects) -> None:
    """Settles the call while the worker may still run it: its slot is free only when the worker says so."""
    roster = pool.roster
    worker = roster.running[call]
    state = roster.workers[worker]
    pool.settle(call, outcome, now, out)
    if not isinstance(state, (Serving, Draining)):
        del calls_of(state)[call], roster.running[call]  # dying: no use talking to it
        return
    out.append(Interrupt(worker, call))
    roster.abandon(worker, state, call, now + pool.limits.cancel_grace)
    if isinstance(state, Draining) and not state.live:
        pool.stop(worker, now, out)


def progress(pool: State, event: Progress, _state: object, now: float, _out: Effects) -> None:
    worker = pool.roster.running.get(event.call)
    if worker is not None:
        call = calls_of(pool.roster.workers[worker])[event.call]
        call.deadline = now + call.allowance


def finished(pool: State, event: Finished, state: Serving, now: float, out: Effects) -> None:
    call = state.live.pop(event.call, None)
    if call is not None:
        state.slow -= not call.quick
        state.answers += 1
        if not state.live or state.answers >= SAMPLE:
            _learn(pool, call, state, now)
        _answer(pool, event, out)
    elif state.abandoned.pop(event.call, None) is None:
        return
    pool.roster.release(event.worker, state)


def _learn(pool: State, call: Call, state: Serving, now: float) -> None:
    if not call.allowance:
        alone = state.answers == 1
        pool.paces.learn(call.command, (now - state.touched) / state.answers, alone=alone)
    state.touched, state.answers = now, 0


def finished_last(pool: State, event: Finished, state: Draining, now: float, out: Effects) -> None:
    if state.live.pop(event.call, None) is None:
        state.abandoned.pop(event.call, None)
        return
    _answer(pool, event, out)
    if not state.live:
        pool.stop(event.worker, now, out)


def finished_dying(pool: State, event: Finished, state: Dying, _now: float, out: Effects) -> None:
    if state.live.pop(event.call, None) is not None:
        _answer(pool, event, out)


def _answer(pool: State, event: Finished, out: Effects) -> None:
    del pool.roster.running[event.call]
    pool.tally.errors += event.failed
    pool.breaker.answered()
    out.append(Settle(event.call, event.reply))


def returned(pool: State, event: Returned, state: Serving | Draining | Dying, now: float, out: Effects) -> None:
    call = state.live.pop(event.call, None)
    if call is not None:
        del pool.roster.running[event.call]
        if isinstance(pool.phase, Closing):
            pool.settle_all([call], failures.stopped(pool.name, over=False), now, out)
        else:
            pool.queue.push_back(call, now)
    elif isinstance(state, Dying) or state.abandoned.pop(event.call, None) is None:
        return
    if isinstance(state, Serving):
        state.slow -= call is not None and not call.quick
        pool.roster.release(event.worker, state)
    elif isinstance(state, Draining) and not state.live:
        pool.stop(event.worker, now, out)
