"""`snakepit bridge check`: every bridge keeps every promise, and a worker that breaks one is found out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.conformance import checks, run
from tests.contract.test_languages import ADAPTERS

ROOT = Path(__file__).resolve().parents[2]
BAD = Path(__file__).parent / "bad_worker.py"


def examined(*words: str, code: int) -> dict[str, dict[str, Any]]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "bridges/python")}
    done = subprocess.run(
        [sys.executable, "-m", "snakepit_cli", "bridge", "check", "--json", *words], capture_output=True, text=True,
        check=False, timeout=240, env=env, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return {one["promise"]: one for one in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_bridge_keeps_every_promise(name: str) -> None:
    found = examined("--adapter", ADAPTERS[name], code=0)
    assert {one["state"] for one in found.values()} == {"ok"}, found
    assert len(found) == len(checks.CHECKS)


FAULTS = {
    "no-token": "Hello names the worker and its commands",
    "twins": "Hello names the worker and its commands",
    "newer": "Hello names the worker and its commands",
    "lazy": "Hello names the worker and its commands",
    "vague": "a command that it does not have is named",
    "anything": "arguments that are no JSON object are refused",
    "mute": "pings are answered",
    "wrong-id": "each call is answered once",
    "twice": "each call is answered once",
    "floats": "texts, whole numbers and floats are preserved",
    "strict": "NaN becomes null when the call wants it",
    "untyped": "an error is told with type and text",
    "endless": "a streaming command sends its chunks in order",
    "miscounts": "a streaming command sends its chunks in order",
    "greedy": "a stream keeps to its credit",
    "stubborn": "a cancel ends a handler that waits",
    "garbage": "a command that it does not have is named",
    "deaf": "SIGTERM when idle: it exits 0",
    "immortal": "it ends with its lifeline",
    "clueless": "it exits 77 when its token is refused",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_promise_is_found_out(fault: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "bridges/python")}
    one = run.Examination((sys.executable, str(BAD), fault), env, str(ROOT), patience=1.0)
    [check] = [check for check in checks.CHECKS if check.promise == FAULTS[fault]]
    found = one.finding(check)
    one.part()
    assert found.state == "failed", found


def test_what_is_asked_must_make_sense() -> None:
    for words in ((), ("--adapter", "x.py", "--", "cat"), ("--adapter", "exec:cat")):
        done = subprocess.run(
            [sys.executable, "-m", "snakepit_cli", "bridge", "check", *words], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "snakepit_cli", "bridge", "check", "--", "no-such-program"], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "no-such-program" in done.stderr) == (127, True)
