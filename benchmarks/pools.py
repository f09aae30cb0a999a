"""Pools on a running server: how soon their workers are attached, and what an idle one weighs."""

from __future__ import annotations

import time

from benchmarks import crowd, processes
from benchmarks.installation import ROOT
from benchmarks.instance import Instance
from benchmarks.pipeline import Pipeline
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import mean, median
from benchmarks.trials import Trials
from snakepit_cli.client import api

_POOL = "crowd"
_UP_SECONDS = 60.0
_DOWN_SECONDS = 5.0
_CALLS_BEFORE = 50
"""Calls for each worker before it is weighed: an idle worker is one that has worked."""


def attach(instance: Instance, trials: Trials) -> list[Row]:
    """Starts the server first; then each pool is new, and gone before the next."""
    instance.pool("other", 1)
    with instance.connect() as connection:
        return [_attached(instance, connection, size, trials.attach) for size in trials.pool_sizes]


def _attached(instance: Instance, connection: api.Connection, size: int, trials: int) -> Row:
    ours, theirs = [], []
    for _ in range(trials):
        ours.append(_up(connection, size) * 1e3)
        api.down(connection, _POOL, _DOWN_SECONDS)
        with crowd.crowd(instance.python, size) as peer:
            theirs.append(peer.seconds * 1e3)
    return Row(f"{size} workers attached", median(ours), "ms", trials, Peer(crowd.NAME, median(theirs)))


def _up(connection: api.Connection, size: int) -> float:
    """Seconds from the request for a new pool to the answer that all its workers are attached."""
    started = time.perf_counter()
    pool = api.up(connection, pool=_POOL, size=size, adapter=None, timeout=_UP_SECONDS, wait=True)
    seconds = time.perf_counter() - started
    if pool["ready"] != size:
        raise BenchmarkError(f"{pool['ready']} of {size} workers are ready")
    return seconds


def registry(instance: Instance, trials: Trials) -> list[Row]:
    """What it costs that every process is on disk before it may run, and how often calls write there."""
    size = trials.pool_sizes[0]
    saboteur = {"PYTHONPATH": str(ROOT / "tests/crash/saboteur")}
    with (
        Instance(instance.installation, **saboteur) as ours,
        Instance(instance.installation, PYTHON_SABOTAGE="registry", **saboteur) as theirs,
    ):
        taken: dict[Instance, list[float]] = {ours: [], theirs: []}
        for one in taken:
            one.pool("other", 1)
        for _ in range(3 * trials.attach):
            for one, times in taken.items():
                with one.connect() as connection:
                    times.append(_up(connection, size) * 1e3)
                    api.down(connection, _POOL, _DOWN_SECONDS)
        with_, without = median(taken[ours]), median(taken[theirs])
        files = list((ours.folder / "state").rglob("registry.db*"))
        before = [path.stat().st_mtime_ns for path in files]
        with ours.connect() as connection:
            for _ in range(1000):
                connection.call("ping", pool="other")
        writes = sum(path.stat().st_mtime_ns != then for path, then in zip(files, before, strict=True))
    return [
        Row(f"{size} workers attached, registered", with_, "ms", 3 * trials.attach, Peer("no registry", without)),
        Row("registry files written by 1,000 calls", float(writes), "files", 1),
    ]


def memory(instance: Instance, trials: Trials) -> list[Row]:
    """The mean over a pool, with and without its share of the template that all workers were forked from."""
    size = trials.idle_workers
    instance.pool(_POOL, size)
    with instance.connect() as connection:
        Pipeline(connection.sock, "ping", _POOL).rate(_CALLS_BEFORE * size, 4 * size)
        workers = [worker["pid"] for worker in api.workers(connection, _POOL)]
        ours = mean([processes.proportional(pid) for pid in workers])
        api.down(connection, _POOL, _DOWN_SECONDS)
    with crowd.crowd(instance.python, size) as peer:
        theirs = mean([processes.proportional(pid) for pid in peer.pids])
    return [Row("idle worker", ours, "MB", size, Peer(crowd.NAME, theirs))]
