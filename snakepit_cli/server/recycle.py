"""Replaces workers that have done, lived or grown enough, one after another and without a call that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from snakepit_cli.core.limits import Limits
from snakepit_cli.server import family
from snakepit_cli.server.pool import Pool
from snakepit_cli.server.workers import Worker

_EVERY_SECONDS = 1.0
_MEBI = 1 << 20


async def watch(pools: Callable[[], Iterable[Pool]]) -> None:
    """For ever."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        for pool in pools():
            worn = [
                worker.id for worker in pool.workers.values() if worker.link is not None and _worn(worker, pool.limits)
            ]
            if worn:
                pool.replace(worn)


def _worn(worker: Worker, limits: Limits) -> bool:
    if limits.max_calls and worker.requests >= limits.max_calls:
        return True
    if limits.max_age and time.monotonic() - worker.started >= limits.max_age:
        return True
    return (
        bool(limits.max_memory)
        and worker.pid is not None
        and (family.resident(worker.pid) or 0) >= limits.max_memory * _MEBI
    )
