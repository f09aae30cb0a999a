"""Bulk work: a million lines through `map`, fairness to single calls meanwhile, a large result, a crowd of clients."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import processes
from benchmarks.installation import ROOT, run
from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import median, percentile
from benchmarks.trials import Trials

_POOL = "bulk"
_WORKERS = 2
_CLAIM = Peer("the original's claim, 8 cores", 75_000.0)
_CHUNKS = (256, 1024)
_BLOCKS = "imap-blocks"
OTHERS = (_BLOCKS, "loky", "execnet", "dask", "ray")
"""Those that are given blocks of lines by hand; the first needs no package of its own."""
_BLOCK = 4096
_PACKAGES = ("orjson", "msgspec", str(ROOT / "bridges/python"))
_OTHER_PACKAGES = ("loky", "execnet", "dask[distributed]", "ray")
_SCRIPT = ROOT / "benchmarks" / "bulk_peer.py"
_OURS, _PIPED, _PARALLEL = "ours", "ours, piped", "parallel --pipe"
_BIG = 8 << 20


def measure(instance: Instance, trials: Trials) -> list[Row]:
    instance.pool(_POOL, _WORKERS)
    source, sink = instance.folder / "in.jsonl", instance.folder / "out.jsonl"
    _lines(source, trials.map_lines)
    rates = _rates(instance, source, sink, trials)
    ours, piped = median(rates[_OURS]), median(rates[_PIPED])
    count = len(rates[_OURS])
    best = max(median(rates[f"imap {chunk}"]) for chunk in _CHUNKS)
    blocks = [Peer(name, median(rates[name])) for name in (*OTHERS, _PARALLEL) if name in rates]
    strongest = max(blocks, key=lambda peer: peer.value)
    return [
        Row("map compute, file to file", ours, "/s", count, Peer("Pool.imap with orjson", best)),
        Row("map compute", ours, "/s", count, _CLAIM),
        *(Row(f"map compute beside {peer.name.split()[0]}", ours, "/s", count, peer) for peer in blocks),
        Row("map compute beside the best", ours, "/s", count, strongest),
        Row("map compute, pipe to pipe", piped, "/s", count, strongest),
        _fairness(instance, source, sink, trials),
    ]


def _rates(instance: Instance, source: Path, sink: Path, trials: Trials) -> dict[str, list[float]]:
    """Lines in a second, of us and of each peer in turns. The first run of ours is not counted."""
    python, peer = _peers(others=trials.others), instance.folder / "peer"
    ways: dict[str, Callable[[], float]] = {
        _OURS: lambda: _map(instance, source, sink),
        _PIPED: lambda: _map_piped(instance, source, sink),
    }
    for chunk in _CHUNKS:
        ways[f"imap {chunk}"] = partial(_other, python, "imap", chunk, source, peer)
    for kind in OTHERS if trials.others else (_BLOCKS,):
        ways[kind] = partial(_other, python, kind, _BLOCK, source, peer)
    if trials.others and shutil.which("parallel"):
        ways[_PARALLEL] = partial(_parallel, python, source, peer)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    _map(instance, source, sink)
    for _ in range(trials.maps):
        for name, way in ways.items():
            rates[name].append(trials.map_lines / way())
            _check(sink if name in {_OURS, _PIPED} else peer, trials.map_lines)
    return rates


def _lines(path: Path, count: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            file.write(f'{{"operation":"add","a":{number},"b":{number % 7}}}\n')


def _map(instance: Instance, source: Path, sink: Path) -> float:
    """Seconds of the whole process."""
    return instance.timed("map", "compute", "--input", str(source), "--output", str(sink), "--pool", _POOL)


def _map_piped(instance: Instance, source: Path, sink: Path) -> float:
    """Seconds of the whole pipeline."""
    command = f"cat {source} | {' '.join(instance.command)} map compute --pool {_POOL} | cat >{sink}"
    return processes.whole(["/bin/sh", "-c", command], instance.env)


def _check(sink: Path, count: int) -> None:
    lines = sink.read_bytes().count(b"\n")
    if lines != count:
        raise BenchmarkError(f"{count} items gave {lines} answers")


def _peers(*, others: bool) -> str:
    """An interpreter with what the others need. Kept between runs."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = ROOT / "build" / "benchmarks" / f"{'others' if others else 'peers'}-{version}"
    packages = (*_PACKAGES, *(_OTHER_PACKAGES if others else ()))
    complete = place / "complete"
    if not complete.exists() or complete.read_text() != "\n".join(packages):
        shutil.rmtree(place, ignore_errors=True)
        run(sys.executable, "-m", "venv", str(place))
        run(str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages)
        complete.write_text("\n".join(packages))
    return str(place / "bin" / "python")


def _other(python: str, kind: str, chunk: int, source: Path, sink: Path) -> float:
    """Seconds without the start of its workers. Raises BenchmarkError."""
    script = [python, str(_SCRIPT), kind, str(chunk), str(source), str(sink)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT / "benchmarks")
    if done.returncode:
        raise BenchmarkError(f"{kind} failed\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def _parallel(python: str, source: Path, sink: Path) -> float:
    """Seconds of the whole process."""
    script = f"parallel --will-cite --pipe --block 4M -k -j 2 '{python} {_SCRIPT} filter' <{source}"
    return processes.whole(["/bin/sh", "-c", script], dict(os.environ), output=str(sink))


def _fairness(instance: Instance, source: Path, sink: Path, trials: Trials) -> Row:
    """How long single calls take while a map keeps both workers busy."""
    taken: list[float] = []
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            _map(instance, source, sink)

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        time.sleep(0.5)
        with instance.connect() as connection:
            for _ in range(trials.fair_calls):
                started = time.perf_counter()
                connection.call("ping", pool=_POOL)
                taken.append(time.perf_counter() - started)
                time.sleep(0.002)
    finally:
        stop.set()
        busy.join()
    return Row("exec ping during a map, p99", percentile(taken, 99) * 1e3, "ms", len(taken))


def large(instance: Instance, trials: Trials) -> list[Row]:
    """A result of 8 MB, from a process to a pipe, beside `cat` of the same bytes."""
    adapter = instance.folder / "big.py"
    adapter.write_text("class Big:\n    text = 'x' * (8 << 20)\n    def execute_big(self):\n        return self.text\n")
    instance.json("up", "big", "--adapter", f"{adapter}:Big", "--size", "1", "--json")
    file = instance.folder / "big.json"
    instance.timed("exec", "big", "--pool", "big", output=str(file))
    if file.stat().st_size < _BIG:
        raise BenchmarkError("the large result is not large")
    ours, cats = [], []
    for _ in range(trials.warm // 4 + 1):
        ours.append(_piped(instance, f"{' '.join(instance.command)} exec big --pool big"))
        cats.append(_piped(instance, f"cat {file}"))
    return [Row("result of 8 MB", median(ours) * 1e3, "ms", len(ours), Peer("cat", median(cats) * 1e3))]


def _piped(instance: Instance, command: str) -> float:
    return processes.whole(["/bin/sh", "-c", f"{command} | cat >/dev/null"], instance.env)


def crowd(instance: Instance, trials: Trials) -> list[Row]:
    """Many clients that are connected and idle, each of which then makes a call."""
    instance.pool("crowd", trials.crowd_workers)
    server = instance.json("status", "--json")["server"]["pid"]
    before = processes.anonymous(server)
    connections = [instance.connect() for _ in range(trials.crowd)]
    try:
        for connection in connections[::50]:
            connection.call("ping", pool="crowd")
        weight = (processes.anonymous(server) - before) / len(connections) * 1024
        for connection in connections:
            connection.call("ping", pool="crowd")
    except (TimeoutError, OSError) as error:
        raise BenchmarkError(f"a client of the crowd failed: {error}") from error
    finally:
        for connection in connections:
            connection.close()
    return [Row("idle connection", weight, "KB", len(connections))]
