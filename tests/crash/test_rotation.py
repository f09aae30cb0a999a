"""A few trials of every suite with new seeds each time; and every suite goes red without the mechanism it proves."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from snakepit_cli.warden.burial import cgroups
from tests.crash.suites import CONTROLS, SUITES
from tests.crash.universe import trial

TRIALS = {"pid-reuse": 2, "reboot": 2, "power-cut": 2, "failpoints": 3, "syscalls": 4}
A_FEW = {"fuzz-front": 300, "fuzz-gateway": 50, "fuzz-arguments": 100, "fuzz-config": 200, "fuzz-registry": 60}
"""Inputs of the suites that count inputs."""
RED_WITHIN = 8
"""Trials in which a control must go red once; most do at the first one."""


def _possible(suite: str) -> None:
    if suite == "power-cut" and not Path("/dev/loop-control").exists():
        pytest.skip("there are no loop devices here")
    own = cgroups.own_cgroup()
    if suite == "lost-strays" and (own is None or not os.access(own / "cgroup.procs", os.W_OK)):
        pytest.skip("there is no cgroup v2 here that we may write to")


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_is_green(suite: str) -> None:
    _possible(suite)
    for _ in range(TRIALS.get(suite, 1)):
        outcome = trial(suite, secrets.randbelow(1 << 30), None, A_FEW.get(suite, 1))
        again = f"python -m tests.crash --suite {suite} --trials {A_FEW.get(suite, 1)} --seed {outcome.seed}"
        assert not outcome.failures, f"{again}\n{outcome.failures}"


@pytest.mark.parametrize("mechanism", CONTROLS)
def test_without_the_mechanism_it_is_red(mechanism: str) -> None:
    suite = CONTROLS[mechanism]
    _possible(suite)
    assert any(trial(suite, seed, mechanism, A_FEW.get(suite, 1)).failures for seed in range(1, RED_WITHIN)), (
        "the suite is blind"
    )
