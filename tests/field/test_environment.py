"""The documentation names what of the environment workers get."""

from __future__ import annotations

import re

from snakepit_cli.launch import environment
from tests.harness.pit import ROOT


def test_the_guide_names_all_that_is_passed_and_nothing_else() -> None:
    text = (ROOT / "docs" / "guide" / "adapters.md").read_text()
    section = text.partition("## The environment of workers")[2].partition("Anything else")[0]
    told = set(re.findall(r"`([A-Za-z0-9_*]+)`", section)) - {"up", "snakepit", "HF_TOKEN"}
    told |= {name.upper() for name in told if name.endswith("_proxy")}
    passed = set(environment._NAMES) | {f"{start}*" for start in environment._PREFIXES} | {"*_NUM_THREADS"}
    assert told == passed | {*environment._PLACES, environment.UMASK}
