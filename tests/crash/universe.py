"""One trial in a PID namespace of its own: when it ends, the kernel ends everything in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SABOTEUR = Path(__file__).parent / "saboteur"
SECONDS = 120.0
_INPUT_SECONDS = 0.1
_PATIENCE = 3
# `setpriv` ends the universe with whoever started the trial, even when that is killed.
_UNIVERSE = (
    "setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
    sys.executable, "-m", "tests.crash.oracle",
)  # fmt: skip


@dataclass
class Outcome:
    seed: int
    failures: list[str]
    figures: dict[str, float] = field(default_factory=dict)
    """Milliseconds, by name."""
    counts: dict[str, int] = field(default_factory=dict)
    """How often something happened, by name."""
    disturbed: bool = False


def trial(suite: str, seed: int, without: str | None, inputs: int = 1) -> Outcome:
    """Runs one trial of a suite; `without` names the mechanism that is taken away, `inputs` is for fuzzing.

    A trial into which somebody outside has sent signals shows nothing, and is run again.
    """
    disturbed = 0
    while (outcome := _trial(suite, seed, without, inputs)).disturbed and disturbed < _PATIENCE:
        disturbed += 1
    if disturbed:
        outcome.counts["disturbed from outside"] = disturbed
    return outcome


def _trial(suite: str, seed: int, without: str | None, inputs: int) -> Outcome:
    env = {k: v for k, v in os.environ.items() if not k.startswith("SNAKEPIT_")}
    if without:
        env["PYTHON_SABOTAGE"] = without
        # The oracle itself, too: some suites have the code under test in their own process.
        env["PYTHONPATH"] = os.pathsep.join(map(str, (SABOTEUR, ROOT, ROOT / "bridges/python")))
    try:
        done = subprocess.run(
            [*_UNIVERSE, suite, str(seed), str(inputs)], cwd=ROOT, env=env, capture_output=True, text=True,
            timeout=SECONDS + inputs * _INPUT_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome(seed, [f"no end within {SECONDS + inputs * _INPUT_SECONDS:.0f} s"])
    try:
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return Outcome(seed, [f"the oracle failed: {done.stderr[-2000:]}"])
    return Outcome(seed, said["failures"], said["figures"], said["counts"], said["disturbed"])
