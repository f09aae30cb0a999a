"""What is true between any two events. Slow and simple on purpose: it judges the quick code."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from snakepit_cli.core.call import Deadlines
from snakepit_cli.core.queue import Queue
from snakepit_cli.core.roster import Roster
from snakepit_cli.core.table import Closing, Failed, Open, Over, Phase
from snakepit_cli.core.worker import Draining, Dying, Serving, Starting, calls_of, due


def problems(
    phase: Phase, roster: Roster, queue: Queue, deadlines: Deadlines, *, size: int, pausing: bool
) -> Iterator[str]:
    """Every invariant that does not hold, in words."""
    yield from _of_roster(roster)
    yield from _of_calls(phase, roster, queue, deadlines)
    if isinstance(phase, Open) and roster.placed < size and not pausing:
        yield "too few workers, and nobody will start more"
    if isinstance(phase, Closing | Over) and any(isinstance(s, Starting | Serving) for s in roster.workers.values()):
        yield "a worker serves a stopped pool"
    if isinstance(phase, Over) and roster.workers:
        yield "drained although a worker is left"


def _of_roster(roster: Roster) -> Iterator[str]:
    workers = roster.workers
    serving = {worker: state for worker, state in workers.items() if isinstance(state, Serving)}
    taken = {worker: len(state.live) + len(state.abandoned) for worker, state in serving.items()}
    room = {worker for worker, state in serving.items() if taken[worker] < state.capacity}
    if roster.serving != len(serving):
        yield "serving is not the number of serving workers"
    if roster.placed != sum(isinstance(state, Starting | Serving | Dying) for state in workers.values()):
        yield "placed is not the number of workers with a place"
    if set(roster.idle) != {worker for worker in serving if not taken[worker]}:
        yield "idle is not the set of workers without a call"
    if set(roster.partly) != {worker for worker in room if taken[worker]}:
        yield "partly is not the set of workers with calls and room"
    if roster.running != {call: worker for worker, state in workers.items() for call in calls_of(state)}:
        yield "running is not the set of calls on workers"
    if any(taken[worker] > state.capacity for worker, state in serving.items()):
        yield "more calls than capacity on a worker"
    if any(not state.live for state in workers.values() if isinstance(state, Draining)):
        yield "a worker drains although it has no call"
    for worker, state in workers.items():
        at = due(state)
        if at < inf and (at, worker) not in roster.timers:
            yield f"nobody watches {worker}"


def _of_calls(phase: Phase, roster: Roster, queue: Queue, deadlines: Deadlines) -> Iterator[str]:
    if queue.calls and (roster.idle or roster.partly):
        yield "a call waits although a worker has room"
    if queue.calls.keys() & roster.running.keys():
        yield "a call waits and runs"
    if len(queue.calls) > queue.size:
        yield "too many calls wait"
    if not queue.calls.keys() | roster.running.keys() <= {call for _, call in deadlines.heap}:
        yield "a call has no deadline"
    if queue.calls and isinstance(phase, Failed) and not roster.serving:
        yield "a call waits although nobody will start a worker"
    if queue.calls and isinstance(phase, Closing | Over):
        yield "a call waits in a stopped pool"
