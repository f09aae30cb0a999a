"""Arrays of floats from the library to a worker and back, beside our own JSON, and beside a pipe that copies bytes."""

from __future__ import annotations

import json
import os
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import median
from benchmarks.trials import Trials
from snakepit_cli.client import api
from snakepit_cli.client.api import Connection

_POOL = "arrays"
_OTHER_POOL = "other-arrays"
_ADAPTER = Path(__file__).parent / "adapters" / "arrays.py"
_SIZES = {"800 B": 800, "20 KB": 20_000, "80 KB": 80_000, "320 KB": 320_000, "8 MB": 8_000_000}
_ORIGINAL = {"800 B": 1.83, "20 KB": 2.44, "80 KB": 3.55, "320 KB": 8.49, "8 MB": 196.0}
"""Milliseconds (p50) of Snakepit 0.13's quickest way there and back: `binary_parameters` up, base64 down. Measured
once, on two cores."""
_CHUNKS = 10
_LONG = 10_000
_SHORT = 10
"""Times as many trials of what is shorter."""
_PIECE = 1 << 20


def measure(instance: Instance, trials: Trials) -> list[Row]:
    for pool in (_POOL, _OTHER_POOL):
        instance.up(pool, str(_ADAPTER))
    rows = []
    with instance.connect() as connection:
        for name, size in _SIZES.items():
            rows += _size(connection, name, size, trials.arrays * (_SHORT if size < _LONG else 1))
        rows += _other_ways(connection, trials.arrays)
        rows += _memory(connection, trials.largest_array)
    return rows


def _size(connection: Connection, name: str, size: int, trials: int) -> list[Row]:
    numbers = array("d", [0.1 * one for one in range(size // 8)])
    texts = numbers.tolist()

    def ours() -> None:
        connection.call_value("same", {"data": numbers}, pool=_POOL)

    def as_json() -> None:
        args = json.dumps({"data": texts}).encode()
        json.loads(connection.call("same", args, pool=_POOL))

    with _pipe(size) as there_and_back:
        taken = _in_turns([ours, as_json, lambda: there_and_back(numbers)], trials)
    mine, text, pipe = (median(one) * 1e3 for one in taken)
    return [
        Row(f"array of {name}", mine, "ms", trials, Peer("a pipe, there and back", pipe)),
        Row(f"array of {name} as JSON", text, "ms", trials, Peer("the array", mine)),
        Row(f"array of {name}, and the original", mine, "ms", trials, Peer("the original", _ORIGINAL[name])),
    ]


def _other_ways(connection: Connection, trials: int) -> list[Row]:
    """Arrays of 8 MB as chunks of a stream, and between two workers."""
    numbers = array("d", [0.1]) * 1_000_000

    def call() -> None:
        connection.call_value("same", {"data": numbers}, pool=_POOL)

    def stream() -> None:
        for _ in connection.stream_values("chunks", {"data": numbers, "n": _CHUNKS}, pool=_POOL):
            pass

    called, streamed = (median(one) * 1e3 for one in _in_turns([call, stream], max(trials // 3, 1)))
    arguments = {"data": numbers, "pool": _OTHER_POOL, "n": trials}
    between = median(connection.call_value("between", arguments, pool=_POOL)) * 1e3
    there_and_back = Peer("array of 8 MB, there and back", called)
    return [
        Row("chunk of 8 MB", streamed / _CHUNKS, "ms", trials, there_and_back),
        Row("array of 8 MB to another worker and back", between, "ms", trials, there_and_back),
    ]


def _in_turns(actions: list[Callable[[], None]], trials: int) -> list[list[float]]:
    """Seconds of each, after one that is not counted. There and back in order: what follows its like finds more in the
    processor's cache."""
    taken: list[list[float]] = [[] for _ in actions]
    turn = list(zip(actions, taken, strict=True))
    for trial in range(trials + 1):
        turn.reverse()
        for action, seconds in turn:
            began = time.perf_counter()
            action()
            if trial:
                seconds.append(time.perf_counter() - began)
    return taken


@contextmanager
def _pipe(size: int) -> Iterator[Callable[[array[float]], None]]:
    """Another Python process that reads so many bytes from a pipe and writes them into another one."""
    (theirs_in, mine_out), (mine_in, theirs_out) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(mine_out)
            while data := _read(theirs_in, size):
                _write(theirs_out, data)
        finally:
            os._exit(0)
    os.close(theirs_in)
    os.close(theirs_out)

    def there_and_back(numbers: array[float]) -> None:
        _write(mine_out, memoryview(numbers).cast("B"))
        _read(mine_in, size)

    try:
        yield there_and_back
    finally:
        os.close(mine_out)
        os.close(mine_in)
        os.waitpid(child, 0)


def _read(descriptor: int, size: int) -> memoryview | None:
    whole = memoryview(bytearray(size))
    got = 0
    while got < size:
        count = os.readv(descriptor, [whole[got : got + _PIECE]])
        if not count:
            return None
        got += count
    return whole


def _write(descriptor: int, data: memoryview) -> None:
    while data.nbytes:
        data = data[os.write(descriptor, data[:_PIECE]) :]


def _memory(connection: Connection, size: int) -> list[Row]:
    """What the largest size of each process grows by while an array of a gibibyte (or so) travels to a worker and back.
    The client has the array before."""
    numbers = array("d", [0.0]) * (size // 8)
    [worker] = api.workers(connection, _POOL)
    pids = {"server": api.ping(connection)["pid"], "client": os.getpid(), "worker": worker["pid"]}
    before = {name: _largest_memory(pid) for name, pid in pids.items()}
    result = connection.call_value("same", {"data": numbers}, pool=_POOL)
    if zlib.crc32(result) != zlib.crc32(numbers):  # all of it is read
        raise BenchmarkError("the array has changed on its way")
    # The kernel counts pages for each thread by itself, and adds them up now and then: a little less is nothing.
    grown = {name: max(0.0, _largest_memory(pid) - before[name]) / 1e6 for name, pid in pids.items()}
    array_itself = Peer("the array", size / 1e6)
    return [
        Row(f"memory of the {name}, array of 1 GB", grown[name], "MB", 1, None if name == "server" else array_itself)
        for name in pids
    ]


def _largest_memory(pid: int) -> int:
    """Bytes that it has had at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) << 10
