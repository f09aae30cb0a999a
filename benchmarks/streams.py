"""Streams: how fast, how soon, and whether memory stays the same however long they are."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import processes
from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import median
from benchmarks.trials import Trials
from snakepit_cli.client import api

_POOL = "streams"
_WORKERS = 2
_PRINT = """
import json, time
for number in range(1, {count} + 1):
    print(json.dumps({{"index": number, "status": "pong", "timestamp": time.time()}}))
"""
_FIRST = {"slow": b'{"count":2,"interval":0.02}', "fast": b'{"count":5000}'}
"""Arguments of streams whose first chunk is waited for: the slow one's handler still sleeps when it arrives."""


def measure(instance: Instance, trials: Trials) -> list[Row]:
    instance.pool(_POOL, _WORKERS)
    with instance.connect() as connection:
        return [
            _to_file(instance, trials),
            *(_first(connection, trials.first_chunks, kind) for kind in _FIRST),
            *_memory(instance, connection, trials.memory_chunks),
        ]


def _to_file(instance: Instance, trials: Trials) -> Row:
    """The rate of whole processes, start and end included, against a script that prints as many such lines."""
    count = trials.stream_chunks
    file = instance.folder / "stream.jsonl"
    rates, peers = [], []
    for _ in range(trials.streams):
        seconds = instance.timed("stream", "ping_stream", f"count:={count}", "--pool", _POOL, output=str(file))
        rates.append(count / seconds)
        _check(file, count)
        script = [instance.python, "-c", _PRINT.format(count=count)]
        peers.append(count / processes.whole(script, instance.env, output=str(file)))
    return Row("stream to a file", median(rates), "/s", len(rates), Peer("python, json.dumps and print", median(peers)))


def _check(file: Path, count: int) -> None:
    lines = file.read_bytes().count(b"\n")
    if lines != count:
        raise BenchmarkError(f"a stream of {count} chunks arrived as {lines} lines")


def _first(connection: api.Connection, trials: int, kind: str) -> Row:
    """Time from before the call is sent until its first chunk is there."""
    taken = []
    for _ in range(trials):
        started = time.perf_counter()
        chunks = connection.stream("ping_stream", _FIRST[kind], pool=_POOL)
        next(chunks)
        taken.append((time.perf_counter() - started) * 1e3)
        for _ in chunks:
            pass
    return Row(f"first chunk, {kind} stream", median(taken), "ms", trials)


def _memory(instance: Instance, connection: api.Connection, count: int) -> list[Row]:
    """Proportional memory just before the end of a stream, against what it was after a tenth of it."""
    marks = [count // 10, count - count // 50]
    samples: list[tuple[float, float]] = []
    seen = 0
    with instance.connect() as beside:
        for block in connection.stream("ping_stream", b'{"count":%d}' % count, pool=_POOL):
            seen += block.count(b"\n")
            if len(samples) < len(marks) and seen >= marks[len(samples)]:
                samples.append(_weights(beside))
    if seen != count or len(samples) != len(marks):
        raise BenchmarkError(f"a stream of {count} chunks ended after {seen}")
    return [
        Row(
            f"stream memory, {process}",
            samples[1][side],
            "MB",
            1,
            Peer("after a tenth of the stream", samples[0][side]),
        )
        for side, process in enumerate(("worker", "server"))
    ]


def _weights(connection: api.Connection) -> tuple[float, float]:
    """Of the worker that streams and of the server, in MB. It may be done already: what it sent is on its way."""
    workers = api.workers(connection, _POOL)
    worker = max(workers, key=lambda one: (one["state"] == "busy", one["requests"]))
    return processes.proportional(worker["pid"]), processes.proportional(api.ping(connection)["pid"])
