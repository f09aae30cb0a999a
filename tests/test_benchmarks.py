"""The benchmarks work and their results are shown as they are. Nothing here depends on how long anything takes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvloop

from benchmarks import report, stats, transport
from benchmarks.__main__ import GROUPS, limited, run
from benchmarks.installation import ROOT, Installation
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.targets import TARGETS, Target, target
from benchmarks.trials import FULL, Trials

TINY = Trials(
    warm=1, cold=1, serial_rounds=1, serial_calls=3, concurrent_rounds=1, concurrent_calls=20, streams=1,
    stream_chunks=50, first_chunks=1, memory_chunks=50_000, attach=1, pool_sizes=(2,), idle_workers=2,
    map_lines=2_000, maps=1, others=False, fair_calls=3, crowd=5, crowd_workers=2,
    bridge_lines=2_000, sessions=50,
)  # fmt: skip


def test_median_is_in_the_middle() -> None:
    assert stats.median([3.0]) == 3.0
    assert stats.median([9.0, 1.0, 2.0]) == 2.0
    assert stats.median([4.0, 1.0, 2.0, 100.0]) == 3.0


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert stats.percentile([float(n) for n in range(100, 0, -1)], percent) == value


def test_percentile_of_few_values_is_the_largest() -> None:
    assert stats.percentile([1.0, 2.0, 3.0], 99) == 3.0


@pytest.mark.parametrize(
    ("comparison", "value", "met"),
    [("≤", 5.0, True), ("≤", 5.1, False), ("<", 5.0, False), ("<", 4.9, True), ("≥", 5.0, True), ("≥", 4.9, False)],
)
def test_target_compares(comparison: str, value: float, met: bool) -> None:
    assert Target("x", "value", comparison, 5.0).met(Row("x", value, "ms", 1)) is met  # type: ignore[arg-type]


def test_ratio_target_without_peer_is_not_met() -> None:
    assert not Target("x", "ratio", "≤", 1.0).met(Row("x", 0.5, "ms", 1))


ROWS = [
    Row("exec ping, warm", 12.0, "ms", 9, Peer("python -c pass", 10.0)),
    Row("idle worker", 9.5, "MB", 16),
    Row("some other calls", 60_000.0, "/s", 9, Peer("an executor", 10_000.0)),
]


def test_table() -> None:
    assert report.table(ROWS).splitlines() == [
        "                   snakepit       peer                   ratio     target",
        "exec ping, warm     12.0 ms    10.0 ms  python -c pass  1.20 x   ≤ 1.50 x  ok",
        "idle worker         9.50 MB                                     ≤ 8.00 MB  MISSED",
        "some other calls  60,000 /s  10,000 /s  an executor     6.00 x",
    ]


def test_document_says_what_the_table_says() -> None:
    document = json.loads(json.dumps(report.document(ROWS, quick=True)))
    assert [row["met"] for row in document["rows"]] == [True, False, None]
    assert document["rows"][0]["ratio"] == 1.2
    assert document["rows"][0]["target"] == {"quantity": "ratio", "comparison": "≤", "limit": 1.5}
    assert document["quick"] is True


def test_what_takes_too_long_is_an_error() -> None:
    began = time.monotonic()
    with pytest.raises(BenchmarkError, match=r"^sleeping did not end within 0\.01 s$"), limited("sleeping", 0.01):
        time.sleep(600)
    with limited("quick", 600):
        assert time.monotonic() - began < 600


def test_a_worker_that_is_silent_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", silent := str(tmp_path / "silent"))
    Path(silent).write_text("#!/bin/sh\nexec sleep 600\n")
    Path(silent).chmod(0o755)
    with pytest.raises(BenchmarkError, match="did not answer all calls"):
        uvloop.run(transport.finite(transport._ours(tmp_path / "s", 1), 0.05))


@pytest.mark.parametrize("kind", ["_ours", "_theirs"])
def test_a_worker_that_cannot_start_is_an_error(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a package is missing."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(BenchmarkError, match="ended with status 1 before it attached"):
        uvloop.run(getattr(transport, kind)(tmp_path / "s", 1))


def test_nothing_need_be_installed(tmp_path: Path) -> None:
    """The command line is read by a Python without packages."""
    command = [sys.executable, "-S", "-m", "benchmarks", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "transport" in done.stderr


def test_every_target_has_its_row() -> None:
    """Runs everything once, from this interpreter, with as little as is enough to see that it works."""
    rows = run(Installation(sys.executable, (sys.executable, "-m", "snakepit_cli")), TINY, list(GROUPS))
    names = [row.name for row in rows]
    assert len(names) == len(set(names))
    assert [row for row in rows if row.value < 0] == []
    sized = {f"{size} workers attached{how}" for size in FULL.pool_sizes for how in ("", ", registered")}
    assert {one.row for one in TARGETS} <= {*names, *sized}
    assert target(rows[0]) is not None
