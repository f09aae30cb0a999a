"""A few trials of every suite, with new seeds each time unless TESTS_SEED is set."""

from __future__ import annotations

import ast
import inspect
import os
import random
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from snakepit_cli.warden.burial import cgroups
from tests.crash.suites import CONTROLS, SUITES
from tests.crash.universe import SABOTEUR, trial

TRIALS = {"pid-reuse": 2, "reboot": 2, "power-cut": 2, "segments": 2, "failpoints": 3, "syscalls": 4}
A_FEW = {"fuzz-front": 300, "fuzz-gateway": 50, "fuzz-arguments": 100, "fuzz-config": 200, "fuzz-registry": 60}
"""Inputs of the suites that count inputs."""


def _possible(suite: str) -> None:
    if suite in {"power-cut", "sessions-power-cut"} and not Path("/dev/loop-control").exists():
        pytest.skip("there are no loop devices here")
    own = cgroups.own_cgroup()
    if suite == "lost-strays" and (own is None or not os.access(own / "cgroup.procs", os.W_OK)):
        pytest.skip("there is no cgroup v2 here that we may write to")


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_is_green(suite: str) -> None:
    _possible(suite)
    seeds = random.Random(os.environ.get("TESTS_SEED"))
    for _ in range(TRIALS.get(suite, 1)):
        outcome = trial(suite, seeds.randrange(1 << 30), None, A_FEW.get(suite, 1))
        again = f"python -m tests.crash --suite {suite} --trials {A_FEW.get(suite, 1)} --seed {outcome.seed}"
        assert not outcome.failures, f"{again}\n{outcome.failures}"


@pytest.mark.parametrize("mechanism", CONTROLS)
def test_a_control_has_its_suite_and_takes_something_away(mechanism: str) -> None:
    """That the suite goes red without it is tried by `python -m tests.crash --controls`."""
    assert CONTROLS[mechanism] in SUITES
    names: dict[str, object] = {}
    for take in saboteur()._TAKEN[mechanism].values():
        nodes = list(ast.walk(ast.parse(inspect.getsource(take))))
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(ast.unparse(node), names)
        replaced = [ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute) and is_stored(node)]
        assert [eval(name, names) for name in replaced], f"{take.__name__} takes nothing away"


def is_stored(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def saboteur() -> ModuleType:
    spec = spec_from_file_location("saboteur", SABOTEUR / "sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
