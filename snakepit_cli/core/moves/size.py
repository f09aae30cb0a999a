"""Moves for the pool as a whole: adopt, resize, replace, roll out, admit, drain."""

from __future__ import annotations

from math import inf

from snakepit_cli.core import failures
from snakepit_cli.core.events import Admit, Adopt, Drain, Gate, Replace, Resize, Rollout
from snakepit_cli.core.state import Effects, State
from snakepit_cli.core.table import Closing, Phase
from snakepit_cli.core.worker import Dying, Serving, Starting, Stopping, calls_of


def adopt(pool: State, event: Adopt, _state: object, now: float, _out: Effects) -> None:
    for worker in event.workers:
        pool.roster.put(worker, Starting(now, now + pool.limits.startup_timeout))


def resize(pool: State, event: Resize, _state: object, now: float, out: Effects) -> None:
    pool.resize(max(0, event.size))
    pool.retries.reset()
    pool.open(now, out)
    roster = pool.roster
    # What starts is given up first, since nothing is warm in it; then what is idle; then what is busy.
    starting, serving = roster.those(Starting), roster.those(Serving)
    serving.sort(key=lambda worker: bool(calls_of(roster.workers[worker])))
    victims = starting + serving
    for worker in victims[: max(0, len(victims) - pool.wanted)]:
        pool.replacing.pop(worker, None)
        pool.retire(worker, inf, now, out)


def replace(pool: State, event: Replace, _state: object, _now: float, _out: Effects) -> None:
    """The tail starts one more than there should be; when it is attached the first of these is retired."""
    for worker in event.workers:
        if isinstance(pool.roster.workers.get(worker), Serving):
            pool.replacing[worker] = None


def rollout(pool: State, event: Rollout, state: object, now: float, out: Effects) -> None:
    pool.limit(event.limits)
    pool.spare = event.spare
    for worker in pool.roster.those(Starting):
        pool.retire(worker, inf, now, out)
    resize(pool, Resize(event.size), state, now, out)
    pool.replacing = dict.fromkeys(reversed(pool.roster.those(Serving)))


def admit(pool: State, event: Admit, _state: object, now: float, _out: Effects) -> None:
    if pool.gate is Gate.PAUSED:
        pool.serving_since = now  # what waited for us has not waited for a worker
    pool.gate = event.gate


def drain(pool: State, event: Drain, state: Phase, now: float, out: Effects) -> None:
    deadline = now + event.grace
    if isinstance(state, Closing):
        deadline = min(deadline, state.deadline)
    pool.phase = Closing(deadline)
    pool.replacing.clear()
    pool.settle_all(pool.queue.clear(), failures.stopped(pool.name, over=False), now, out)
    for worker, has in list(pool.roster.workers.items()):
        if not isinstance(has, (Stopping, Dying)):
            pool.retire(worker, deadline, now, out)
