"""A pool as the rest of the server sees it."""

from __future__ import annotations

from dataclasses import dataclass

from snakepit_cli.core.events import Failure
from snakepit_cli.core.queue import Queue
from snakepit_cli.core.roster import Roster
from snakepit_cli.core.worker import Starting, calls_of, name_of


@dataclass(slots=True)
class Tally:
    """What was counted since the pool was made."""

    requests: int = 0
    errors: int = 0
    queue_timeouts: int = 0
    saturated: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a pool.

    `state` is one of unstarted, open, paused (calls wait), closed (takes none), degraded (gave up starting workers,
    but some serve), failed, draining, drained; `breaker` one of closed, open, half-open. Workers: `starting`; `ready`
    are attached and take calls; `busy` of these hold a call. Calls now:
    `queued`, `running`. Since the beginning: `requests` (every Submit), `errors` (accepted calls that ended in a
    failure other than queue_timeout and cancelled), `queue_timeouts`, `pool_saturated`; `restarts` counts attached
    workers that died or had to be killed. `workers` holds (worker, state, calls running), oldest first.
    """

    name: str
    state: str
    size: int
    starting: int
    ready: int
    busy: int
    queued: int
    running: int
    requests: int
    errors: int
    queue_timeouts: int
    pool_saturated: int
    restarts: int
    reason: Failure | None
    breaker: str
    workers: tuple[tuple[str, str, int], ...]


def look(
    name: str,
    state: str,
    *,
    size: int,
    roster: Roster,
    queue: Queue,
    tally: Tally,
    reason: Failure | None,
    breaker: str,
) -> Snapshot:
    """Walks over all workers: for status and metrics, not for each call."""
    return Snapshot(
        name=name,
        state=state,
        size=size,
        starting=len(roster.those(Starting)),
        ready=roster.serving,
        busy=roster.serving - len(roster.idle),
        queued=len(queue),
        running=len(roster.running),
        requests=tally.requests,
        errors=tally.errors,
        queue_timeouts=tally.queue_timeouts,
        pool_saturated=tally.saturated,
        restarts=tally.restarts,
        reason=reason,
        breaker=breaker,
        workers=tuple((worker, name_of(has), len(calls_of(has))) for worker, has in roster.workers.items()),
    )
