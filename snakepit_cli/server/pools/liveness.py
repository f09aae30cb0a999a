"""Finds workers that do not respond: stopped or deadlocked.

Each attached worker is probed regularly. Silence alone is not enough: a worker may compute in a library that never lets
another thread run. Its processor time, and that of what it has started, tells busy from stuck. /proc is read on a
thread, and only for workers that have been silent for half of `silence_timeout`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from snakepit_cli.core.events import Failure
from snakepit_cli.server.pools import usage
from snakepit_cli.server.pools.pool import Pool
from snakepit_cli.server.workers.worker import Worker

_clock = time.monotonic
_LOOKS = 4
"""How often a worker is looked at while it may be silent."""
_BUSY_SHARE = 0.01
"""Of one processor: a worker that uses less, and keeps silent, is stuck."""
_AT_ONCE = 50
"""Workers that are checked before the event loop gets a turn."""


class Suspect(NamedTuple):
    """A worker that has been silent for `silent` seconds."""

    pool: Pool
    worker: Worker
    pid: int
    silent: float


async def watch(pools: Callable[[], Iterable[Pool]]) -> None:
    """Runs until cancelled, every quarter of the shortest `silence_timeout`."""
    nonce = 0
    while True:
        await asyncio.sleep(min((pool.limits.silence_timeout for pool in pools()), default=1.0) / _LOOKS)
        nonce += 1
        await look(list(pools()), nonce)


async def look(pools: Iterable[Pool], nonce: int) -> None:
    """Once at every worker."""
    suspects: list[Suspect] = []
    for number, (pool, worker, pid) in enumerate(list(_attached(pools))):
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
        silent = _silent(worker, nonce, _clock())
        if silent >= pool.limits.silence_timeout / 2:
            suspects.append(Suspect(pool, worker, pid, silent))
    if suspects:
        used = await asyncio.to_thread(usage.cpu_seconds, [one.pid for one in suspects])
        for suspect in suspects:
            await _judge(suspect, used[suspect.pid], _clock())


def _attached(pools: Iterable[Pool]) -> Iterator[tuple[Pool, Worker, int]]:
    for pool in pools:
        for worker in pool.workers.values():
            if worker.link is not None and worker.pid is not None:
                yield pool, worker, worker.pid


def _silent(worker: Worker, nonce: int, now: float) -> float:
    """Seconds for which it has not answered. One that has is asked anew the next time."""
    if worker.heard:
        worker.heard = False
        worker.asked_at = worker.measured_at = None
    elif worker.asked_at is None:
        worker.asked_at = now
        if worker.link is not None:
            worker.link.ping(nonce)
    else:
        return now - worker.asked_at
    return 0.0


async def _judge(suspect: Suspect, used: float, now: float) -> None:
    pool, worker = suspect.pool, suspect.worker
    if worker.heard or pool.workers.get(worker.id) is not worker:
        return  # it has answered, or gone, while we looked
    if worker.measured_at is None:
        worker.measured_at, worker.cpu = now, used
    elif suspect.silent >= pool.limits.silence_timeout:
        if used - worker.cpu >= (now - worker.measured_at) * _BUSY_SHARE:
            worker.asked_at = worker.measured_at = now
            worker.cpu = used
            return
        state = await asyncio.to_thread(usage.state, suspect.pid)
        if not worker.heard and pool.workers.get(worker.id) is worker:
            pool.unresponsive(worker, _failure(worker, state, suspect.silent))


def _failure(worker: Worker, state: str, silent: float) -> Failure:
    why = worker.link.why_silent if worker.link is not None else ""
    text = f"worker {worker.id} has been silent for {silent:.1f} s without computing (its process is {state})"
    text += f": {why}" if why else ""
    return Failure("worker_unresponsive", text, (("worker", worker.id), ("silent", round(silent, 1)), ("state", state)))
