"""Calls on one connection to a pool of two workers, beside an executor of two processes in the same rounds."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor

from benchmarks import executor
from benchmarks.instance import Instance
from benchmarks.pipeline import Pipeline
from benchmarks.rows import Peer, Row
from benchmarks.stats import median, percentile
from benchmarks.trials import Trials
from snakepit_cli.client.api import Connection
from snakepit_cli.client.many.calls import Calls
from snakepit_cli.client.many.pending import Pending

_POOL = "calls"
_WORKERS = 2
_OUTSTANDING = (64, 512)
_SHARE = 5
"""The executor is given a fifth of our calls."""


def measure(instance: Instance, trials: Trials) -> list[Row]:
    instance.pool(_POOL, _WORKERS)
    with executor.executor(_WORKERS) as peer, instance.connect() as connection:
        return [
            *_serial(connection, peer, trials),
            *(_concurrent(connection, peer, trials, outstanding) for outstanding in _OUTSTANDING),
            _library(instance, peer, trials, _OUTSTANDING[-1]),
        ]


def _serial(connection: Connection, peer: ProcessPoolExecutor, trials: Trials) -> list[Row]:
    ours: list[float] = []
    theirs: list[float] = []
    _round_trips(connection, trials.serial_calls)
    for _ in range(trials.serial_rounds):
        ours += _round_trips(connection, trials.serial_calls)
        theirs += executor.serial(peer, trials.serial_calls)
    return [
        Row(
            f"round trip, p{percent}",
            percentile(ours, percent) * 1e3,
            "ms",
            len(ours),
            Peer(executor.NAME, percentile(theirs, percent) * 1e3),
        )
        for percent in (50, 99)
    ]


def _round_trips(connection: Connection, calls: int) -> list[float]:
    """Seconds that each call took, one after another."""
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        connection.call("ping", pool=_POOL)
        taken.append(time.perf_counter() - started)
    return taken


def _concurrent(connection: Connection, peer: ProcessPoolExecutor, trials: Trials, outstanding: int) -> Row:
    pipeline = Pipeline(connection.sock, "ping", _POOL)
    calls, rates, peers = trials.concurrent_calls, [], []
    pipeline.rate(calls, outstanding)
    for _ in range(trials.concurrent_rounds):
        rates.append(pipeline.rate(calls, outstanding))
        peers.append(executor.concurrent(peer, max(outstanding, calls // _SHARE), outstanding))
    return Row(f"{outstanding} calls outstanding", median(rates), "/s", len(rates), Peer(executor.NAME, median(peers)))


def _library(instance: Instance, peer: ProcessPoolExecutor, trials: Trials, outstanding: int) -> Row:
    """As one would write it with the client library: a call is submitted when the oldest one has its answer."""
    calls, rates, peers = trials.concurrent_calls, [], []
    with instance.connect() as connection, Calls(connection.sock) as ours:
        _submitted(ours, calls, outstanding)
        for _ in range(trials.concurrent_rounds):
            rates.append(_submitted(ours, calls, outstanding))
            peers.append(executor.concurrent(peer, max(outstanding, calls // _SHARE), outstanding))
    name = f"{outstanding} calls outstanding, library"
    return Row(name, median(rates), "/s", len(rates), Peer(executor.NAME, median(peers)))


def _submitted(ours: Calls, calls: int, outstanding: int) -> float:
    """Calls per second with that many outstanding at any time."""
    waiting: deque[Pending] = deque()
    started = time.perf_counter()
    for _ in range(calls):
        if len(waiting) == outstanding:
            waiting.popleft().result()
        waiting.append(ours.submit("ping", pool=_POOL))
    while waiting:
        waiting.popleft().result()
    return calls / (time.perf_counter() - started)
