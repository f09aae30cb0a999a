"""The peer for calls: concurrent.futures.ProcessPoolExecutor, what one would use without us."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager

NAME = "ProcessPoolExecutor"


def pong() -> dict[str, object]:
    """What the command `ping` answers."""
    return {"status": "pong", "timestamp": time.time()}


@contextmanager
def executor(workers: int) -> Iterator[ProcessPoolExecutor]:
    """With all its processes started. Open it before any connection of ours: they may be forks of this process."""
    with ProcessPoolExecutor(workers) as pool:
        for waiting in [pool.submit(time.sleep, 0.05) for _ in range(4 * workers)]:
            waiting.result()
        yield pool


def serial(pool: ProcessPoolExecutor, calls: int) -> list[float]:
    """Seconds that each call took, one after another."""
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        pool.submit(pong).result()
        taken.append(time.perf_counter() - started)
    return taken


def concurrent(pool: ProcessPoolExecutor, calls: int, outstanding: int) -> float:
    """Calls per second with that many outstanding at any time."""
    waiting: deque[Future[dict[str, object]]] = deque()
    started = time.perf_counter()
    for _ in range(calls):
        if len(waiting) == outstanding:
            waiting.popleft().result()
        waiting.append(pool.submit(pong))
    while waiting:
        waiting.popleft().result()
    return calls / (time.perf_counter() - started)
