"""Invariants that hold between any two events. Slow and simple on purpose: they check the fast code."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from snakepit_cli.core.events import Gate
from snakepit_cli.core.roster import Roster
from snakepit_cli.core.state import State
from snakepit_cli.core.table import Closing, Failed, Open, Over
from snakepit_cli.core.worker import Draining, Dying, Serving, Starting, calls_of, due


def problems(pool: State) -> Iterator[str]:
    """Every invariant that does not hold, in words."""
    phase, roster = pool.phase, pool.roster
    yield from _of_roster(roster)
    yield from _of_calls(pool)
    if isinstance(phase, Open) and roster.placed < pool.wanted and pool.restarts.until is None:
        yield "too few workers, and nothing will start more"
    if isinstance(phase, Open) and pool.replacing and roster.placed <= pool.wanted and pool.restarts.until is None:
        yield "a worker is to be replaced, and nothing will start another"
    if any(not isinstance(roster.workers.get(worker), Serving) for worker in pool.replacing):
        yield "a worker is to be replaced that does not serve"
    if isinstance(phase, Closing | Over) and any(isinstance(s, Starting | Serving) for s in roster.workers.values()):
        yield "a worker serves a stopped pool"
    if isinstance(phase, Over) and roster.workers:
        yield "drained although a worker is left"


def _of_roster(roster: Roster) -> Iterator[str]:
    workers = roster.workers
    serving = {worker: state for worker, state in workers.items() if isinstance(state, Serving)}
    if roster.serving != len(serving):
        yield "serving is not the number of serving workers"
    if roster.placed != sum(isinstance(state, Starting | Serving | Dying) for state in workers.values()):
        yield "placed is not the number of workers with a place"
    if roster.running != {call: worker for worker, state in workers.items() for call in calls_of(state)}:
        yield "running is not the set of calls on workers"
    if any(not state.live for state in workers.values() if isinstance(state, Draining)):
        yield "a worker drains although it has no call"
    yield from _of_room(roster, serving)
    for worker, state in workers.items():
        at = due(state)
        if at < inf and (at, worker) not in roster.timers:
            yield f"no timer watches {worker}"


def _of_room(roster: Roster, serving: dict[str, Serving]) -> Iterator[str]:
    if set(roster.idle) != {worker for worker, state in serving.items() if not state.taken}:
        yield "idle is not the set of workers without a call"
    if set(roster.partly) != {worker for worker, state in serving.items() if 0 < state.taken < state.capacity}:
        yield "partly is not the set of workers with calls and room"
    if set(roster.stacked) != {worker for worker, state in serving.items() if _stackable(state)}:
        yield "stacked is not the set of full workers with quick calls only"
    for worker, state in serving.items():
        if state.slow != sum(not call.quick for call in state.live.values()):
            yield f"slow is not the number of slow calls on {worker}"
        if state.taken > state.capacity and (
            state.capacity > 1 or any(not c.quick for c in [*state.live.values()][1:])
        ):
            yield f"a slow call behind another on {worker}"


def _stackable(state: Serving) -> bool:
    return state.capacity == 1 and bool(state.live) and not state.abandoned and not state.slow


def _of_calls(pool: State) -> Iterator[str]:
    phase, roster, queue = pool.phase, pool.roster, pool.queue
    waiting = {**queue.patient, **queue.bulk, **queue.held_bulk}
    held = {call for lane in queue.held.values() for call in lane}
    if waiting and (queue.free or queue.bulk) and roster.room and pool.gate is not Gate.PAUSED:
        yield "a call waits although a worker has room"
    if any(roster.has_room(home) for home in queue.held) and pool.gate is not Gate.PAUSED:
        yield "a call waits although its home has room"
    if queue.patient.keys() | queue.held_bulk.keys() != queue.free.keys() | held or queue.free.keys() & held:
        yield "patient is not what is free and what is held"
    if waiting.keys() & roster.running.keys():
        yield "a call waits and runs"
    timed = queue.patient.keys() | roster.running.keys()
    if not timed <= {call for _, call in pool.deadlines.heap}:
        yield "a call has no deadline"
    if waiting and isinstance(phase, Failed) and not roster.serving:
        yield "a call waits although nothing will start a worker"
    if waiting and isinstance(phase, Closing | Over):
        yield "a call waits in a stopped pool"
