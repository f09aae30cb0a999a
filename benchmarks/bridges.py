"""Workers in other languages beside those in Python, and beside a process for each item."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.installation import ROOT
from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import median
from benchmarks.trials import Trials
from snakepit_cli.client import api

_ADAPTERS = Path(__file__).resolve().parent / "adapters"
_WORKERS = 2
_START = 4
_UP_SECONDS = 120.0
_DOWN_SECONDS = 5.0
_WARM = 10
_CALLS = 50
"""In a round, after those that are not counted."""
_PROCESSES = 20
"""Processes that are timed one after another. Two at a time would take half as long: the ratio grants them that."""


@dataclass(frozen=True)
class Language:
    name: str
    adapter: str
    command: str = "add"
    single: tuple[str, ...] = ()
    """Command line that does the work of one item and ends."""
    share: int = 1
    """The part of the items that it is given: every n-th."""


_PYTHON = Language("python", f"{_ADAPTERS}/small.py:Small")
_OTHERS = (
    Language("node", f"node:{_ADAPTERS}/small.mjs", single=("node", "-e", "console.log(JSON.stringify({sum: 1 + 2}))")),
    Language("ruby", f"ruby:{_ADAPTERS}/small.rb", single=("ruby", "-rjson", "-e", "puts({sum: 1 + 2}.to_json)")),
    Language("go", f"go:{_ADAPTERS}/go"),
    Language("jq", "exec:jq -c {sum:(.a+.b)}", "json", ("jq", "-nc", "{sum:(1+2)}")),
    Language(
        "r", f"exec-json:Rscript {ROOT}/examples/stdio/worker.R", single=("Rscript", "-e", "cat(1 + 2)"), share=20
    ),
)


def measure(instance: Instance, trials: Trials) -> list[Row]:
    instance.pool("other", 1)
    with instance.connect() as connection:
        return _Run(instance, connection, trials).rows()


class _Run:
    def __init__(self, instance: Instance, connection: api.Connection, trials: Trials) -> None:
        self._instance = instance
        self._connection = connection
        self._trials = trials

    def rows(self) -> list[Row]:
        everyone = (_PYTHON, *_OTHERS)
        for language in everyone:
            self._up(language, _WORKERS)
        rows = [row for language in _OTHERS for row in self._beside(language)]
        for language in everyone:
            self._down(language)
        return rows + [self._start(language) for language in everyone]

    def _beside(self, language: Language) -> list[Row]:
        trials = self._trials.maps
        ours, python = self._rates(language, _PYTHON)
        rows = [Row(f"map, {language.name}", ours, "/s", trials, Peer("the Python bridge", python))]
        if language.single:
            program = shutil.which(language.single[0])
            if program is None:
                raise BenchmarkError(f"{language.single[0]} is not installed")
            argv = [program, *language.single[1:]]
            seconds = median([processes.whole(argv, self._instance.env) for _ in range(_PROCESSES)])
            peer = Peer("a process for each item", _WORKERS / seconds)
            rows.append(Row(f"map, {language.name}, and processes", ours, "/s", trials, peer))
        calls, theirs = [], []
        for _ in range(self._trials.serial_rounds):
            calls.append(self._call(language))
            theirs.append(self._call(_PYTHON))
        peer = Peer("the Python bridge", median(theirs))
        return [*rows, Row(f"round trip, {language.name}", median(calls), "ms", len(calls), peer)]

    def _up(self, language: Language, size: int) -> float:
        """Milliseconds until all workers of a new pool are attached."""
        started = time.perf_counter()
        pool = api.up(
            self._connection, pool=language.name, size=size, adapter=language.adapter, timeout=_UP_SECONDS, wait=True
        )
        if pool["ready"] != size:
            raise BenchmarkError(f"{pool['ready']} of {size} workers of {language.name} are ready")
        return (time.perf_counter() - started) * 1e3

    def _down(self, language: Language) -> None:
        api.down(self._connection, language.name, _DOWN_SECONDS)

    def _start(self, language: Language) -> Row:
        taken = []
        for _ in range(self._trials.attach):
            taken.append(self._up(language, _START))
            self._down(language)
        return Row(f"{_START} workers attached, {language.name}", median(taken), "ms", len(taken))

    def _rates(self, *languages: Language) -> list[float]:
        """Items of `map` in a second of the whole process, in turns; the first round is not counted."""
        rounds = [[self._rate(one) for one in languages] for _ in range(self._trials.maps + 1)]
        return [median(list(rates)) for rates in zip(*rounds[1:], strict=True)]

    def _rate(self, language: Language) -> float:
        count = self._trials.bridge_lines // language.share
        source, sink = self._instance.folder / f"{count}.jsonl", self._instance.folder / "out.jsonl"
        if not source.exists():
            source.write_text("".join(f'{{"a":{number},"b":{number % 7}}}\n' for number in range(count)))
        where = ("--input", str(source), "--output", str(sink), "--pool", language.name)
        seconds = self._instance.timed("map", language.command, *where)
        answers = sink.read_bytes().count(b"\n")
        if answers != count:
            raise BenchmarkError(f"{count} items gave {answers} answers")
        return count / seconds

    def _call(self, language: Language) -> float:
        """Median milliseconds of a call, one after another."""
        taken = []
        for number in range(_CALLS + _WARM):
            started = time.perf_counter()
            self._connection.call(language.command, b'{"a":%d,"b":1}' % number, pool=language.name)
            taken.append(time.perf_counter() - started)
        return median(taken[_WARM:]) * 1e3
