"""A few trials of every suite with new seeds each time; and every suite goes red without the mechanism it proves."""

from __future__ import annotations

import secrets

import pytest

from tests.crash.suites import CONTROLS, SUITES
from tests.crash.universe import trial

TRIALS = {"registry-mutations": 4, "failpoints": 4, "first-commands": 1}


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_is_green(suite: str) -> None:
    for _ in range(TRIALS.get(suite, 2)):
        outcome = trial(suite, secrets.randbelow(1 << 30), None)
        again = f"python -m tests.crash --suite {suite} --trials 1 --seed {outcome.seed}"
        assert not outcome.failures, f"{again}\n{outcome.failures}"


@pytest.mark.parametrize("mechanism", CONTROLS)
def test_without_the_mechanism_it_is_red(mechanism: str) -> None:
    assert any(trial(CONTROLS[mechanism], seed, mechanism).failures for seed in range(3)), "the suite is blind"
