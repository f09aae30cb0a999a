"""Short words for building a pool."""

from __future__ import annotations

from typing import Any

from snakepit_cli.core.events import Attached, Failure, Resize
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pool import Pool

CRASH = Failure("worker_crashed", "killed by signal 9")
BROKEN = Failure("adapter_failed", "ImportError: no module named 'torch'")


def serving(size: int = 1, *, capacity: int = 1, **limits: Any) -> Pool:
    """A pool `p` whose workers p-1, p-2, … attached at 0.0 in this order; the last is chosen first."""
    pool = Pool("p", size, Limits(**limits))
    pool.handle(Resize(size), 0.0)
    for n in range(1, size + 1):
        pool.handle(Attached(f"p-{n}", capacity), 0.0)
    return pool


def kinds(effects: list[Any]) -> list[tuple[int, str]]:
    """(call, kind of failure) of every Settle by the pool."""
    return [(e.call, e.outcome.kind) for e in effects if hasattr(e, "outcome") and isinstance(e.outcome, Failure)]
