"""Replaces workers that reach `max_calls`, `max_age` or `max_memory`, one by one; no call fails because of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from snakepit_cli.core.limits import Limits
from snakepit_cli.server.pools import usage
from snakepit_cli.server.pools.pool import Pool
from snakepit_cli.server.workers.worker import Worker

_EVERY_SECONDS = 1.0
_MEBI = 1 << 20


async def watch(pools: Callable[[], Iterable[Pool]]) -> None:
    """Runs until cancelled, every second."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        await look(list(pools()))


async def look(pools: Iterable[Pool]) -> None:
    """Once at every pool. /proc is read on a thread, and only for pools with `max_memory`."""
    for pool in pools:
        workers = [worker for worker in pool.workers.values() if worker.link is not None]
        pids = [worker.pid for worker in workers if worker.pid is not None and pool.limits.max_memory]
        used = await asyncio.to_thread(usage.resident, pids) if pids else {}
        worn = [worker.id for worker in workers if worker.id in pool.workers and _worn(worker, pool.limits, used)]
        if worn:
            pool.replace(worn)


def _worn(worker: Worker, limits: Limits, used: Mapping[int, int | None]) -> bool:
    if limits.max_calls and worker.requests >= limits.max_calls:
        return True
    if limits.max_age and time.monotonic() - worker.started >= limits.max_age:
        return True
    return bool(limits.max_memory) and (used.get(worker.pid or 0) or 0) >= limits.max_memory * _MEBI
