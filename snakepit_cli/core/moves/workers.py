"""Moves for workers: attach, fail to start, exit, stop responding."""

from __future__ import annotations

from snakepit_cli.core.events import Attached, Exited, StartFailed, Unresponsive
from snakepit_cli.core.state import Effects, State
from snakepit_cli.core.table import Failed
from snakepit_cli.core.worker import Draining, Dying, Serving, Starting, Stopping


def attached(pool: State, event: Attached, _state: Starting, now: float, out: Effects) -> None:
    roster = pool.roster
    if not roster.serving:
        pool.serving_since = now
    roster.put(event.worker, Serving(max(1, event.capacity), now, {}, {}))
    for session in event.sessions:
        pool.homes.put(session, event.worker)
    pool.failed_starts = pool.slow_starts = 0
    pool.retries.reset()
    if isinstance(pool.phase, Failed):  # it can be done after all
        pool.open(now, out)
    if pool.replacing and roster.placed > pool.wanted:
        old = next(iter(pool.replacing))
        del pool.replacing[old]
        pool.retire(old, float("inf"), now, out)


def start_failed(pool: State, event: StartFailed | Exited, _state: Starting, now: float, out: Effects) -> None:
    pool.roster.remove(event.worker)
    permanent = isinstance(event, StartFailed) and event.permanent
    pool.count_failed_start(event.failure, permanent, now, out)


def lost(pool: State, event: Exited, state: Serving, now: float, out: Effects) -> None:
    pool.tally.restarts += 1
    buried(pool, event, state, now, out)


def buried(
    pool: State, event: Exited | StartFailed, state: Serving | Draining | Stopping | Dying, now: float, out: Effects
) -> None:
    calls = pool.roster.drop(state)
    pool.roster.remove(event.worker)
    pool.replacing.pop(event.worker, None)
    pool.orphaned(calls, event.failure, now, out)


def unresponsive(pool: State, event: Unresponsive, state: Serving | Draining, now: float, out: Effects) -> None:
    pool.tally.restarts += 1
    calls = pool.roster.drop(state)
    pool.replacing.pop(event.worker, None)
    pool.orphaned(calls, event.failure, now, out)
    pool.kill(event.worker, {}, now, out)
