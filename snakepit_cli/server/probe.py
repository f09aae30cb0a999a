"""Finds workers that are there and yet do nothing: stopped, deadlocked, or deaf.

Each attached worker is asked for a sign of life now and then. One that keeps silent is not condemned for that: it may
compute in a library that never lets another thread run. Its processor time tells busy from stuck.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import psutil

from snakepit_cli.core.events import Failure
from snakepit_cli.server import family
from snakepit_cli.server.pool import Pool
from snakepit_cli.server.workers import Worker

_LOOKS = 4
"""How often a worker is looked at while it may be silent."""
_BUSY_SHARE = 0.01
"""Of one processor: whoever uses less, and keeps silent, is stuck."""


async def watch(pools: Callable[[], Iterable[Pool]]) -> None:
    """For ever."""
    nonce = 0
    while True:
        await asyncio.sleep(min((pool.limits.silence_timeout for pool in pools()), default=1.0) / _LOOKS)
        nonce += 1
        for pool in pools():
            for worker in list(pool.workers.values()):
                if worker.link is not None and worker.pid is not None:
                    _look(pool, worker, worker.pid, nonce)


def _look(pool: Pool, worker: Worker, pid: int, nonce: int) -> None:
    now = time.monotonic()
    if worker.heard:
        worker.heard = False
        worker.asked_at = None
    elif worker.asked_at is None:
        worker.asked_at, worker.cpu = now, family.cpu_seconds(pid)
        if worker.link is not None:
            worker.link.ping(nonce)
    elif (silent := now - worker.asked_at) >= pool.limits.silence_timeout:
        used = family.cpu_seconds(pid) - worker.cpu
        if used < silent * _BUSY_SHARE:
            pool.unresponsive(worker, _failure(worker, pid, silent))
        else:
            worker.asked_at, worker.cpu = now, worker.cpu + used


def _failure(worker: Worker, pid: int, silent: float) -> Failure:
    try:
        state = str(psutil.Process(pid).status())
    except psutil.Error:
        state = "gone"
    why = worker.link.why_silent if worker.link is not None else ""
    text = f"worker {worker.id} has been silent for {silent:.1f} s without computing (its process is {state})"
    text += f": {why}" if why else ""
    return Failure("worker_unresponsive", text, (("worker", worker.id), ("silent", round(silent, 1)), ("state", state)))
