"""Failures that the pool itself answers calls with. Each message has the pool's current figures."""

from __future__ import annotations

from typing import NamedTuple

from snakepit_cli.core.events import Failure

CANCELLED = Failure("cancelled", "the call was cancelled")


class Figures(NamedTuple):
    """How many workers are busy, how many serve, how many calls wait."""

    busy: int
    serving: int
    waiting: int

    def __str__(self) -> str:
        workers = f"{self.busy} of {self.serving} workers busy" if self.serving else "no worker is ready yet"
        return f"{workers}, {self.waiting} other {'call' if self.waiting == 1 else 'calls'} waiting"

    def detail(self) -> tuple[tuple[str, int], ...]:
        return (("busy", self.busy), ("workers", self.serving), ("waiting", self.waiting))


def saturated(queue_size: int, figures: Figures) -> Failure:
    calls = "1 call waits" if queue_size == 1 else f"{queue_size} calls wait"
    message = f"the queue is full: {calls} already, {figures.busy} of {figures.serving} workers busy"
    return Failure("pool_saturated", message, (("queue_size", queue_size), *figures.detail()))


def queue_timeout(waited: float, figures: Figures) -> Failure:
    detail = (("waited", round(waited, 3)), *figures.detail())
    return Failure("queue_timeout", f"waited {waited:.1f} s; {figures}", detail)


def paused(pool: str, waited: float) -> Failure:
    """A call timed out in a pool that is paused."""
    detail = (("waited", round(waited, 3)), ("hint", resume_hint(pool)))
    return Failure("queue_timeout", f"waited {waited:.1f} s; pool {pool!r} is paused", detail)


def no_worker(pool: str, waited: float, limit: float) -> Failure:
    """A call timed out before any worker was ready."""
    detail = (("waited", round(waited, 3)), ("hint", startup_hint(pool, limit)))
    return Failure("startup_timeout", f"waited {waited:.1f} s; no worker of pool {pool!r} is ready yet", detail)


def resume_hint(pool: str) -> str:
    return f"run `snakepit resume {pool}`"


def startup_hint(pool: str, limit: float) -> str:
    setting = f"`startup_timeout` ({limit:g} s, doubled after each slow start)"
    setting += f" under [pools.{pool}.limits] in the configuration"
    return f"read `snakepit logs`; if it needs longer, raise {setting}, or run `snakepit up {pool} --timeout 5m`"


def worker_timeout(worker: str, elapsed: float) -> Failure:
    message = f"timed out after {elapsed:.1f} s in worker {worker}; the call was cancelled"
    return Failure("worker_timeout", message, (("worker", worker), ("elapsed", round(elapsed, 3))))


def startup_timeout(pool: str, limit: float, worker: str, elapsed: float) -> Failure:
    message = f"{worker} sent no hello within {elapsed:.1f} s after it was started"
    hint = startup_hint(pool, limit)
    return Failure("startup_timeout", message, (("worker", worker), ("elapsed", round(elapsed, 3)), ("hint", hint)))


def stopped(pool: str, *, over: bool) -> Failure:
    return Failure("pool_unavailable", f"pool {pool!r} {'has been' if over else 'is being'} stopped")


def closed(pool: str) -> Failure:
    return Failure("pool_unavailable", f"pool {pool!r} takes no calls", (("hint", resume_hint(pool)),))


def tripped(pool: str) -> Failure:
    message = f"each of the last calls to pool {pool!r} has killed its worker: it takes none for some seconds"
    return Failure("pool_unavailable", message, (("hint", "read `snakepit logs` and try again later"),))


def worker_busy(session: str, home: str) -> Failure:
    return Failure("worker_busy", f"{home}, which holds session {session!r}, is busy", (("worker", home),))


def session_lost(session: str, home: str) -> Failure:
    return Failure("session_lost", f"{home}, which held session {session!r}, is gone", (("worker", home),))


def provider_gone(command: str, worker: str) -> Failure:
    return Failure("tool_unavailable", f"{worker}, which offered {command}, is gone", (("worker", worker),))
