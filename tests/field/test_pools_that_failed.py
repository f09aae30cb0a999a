"""A pool that has failed is mended by what one would do: correct the code or the command, and run it again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import wait
from tests.harness.pit import Pit

GOOD = """
from snakepit_bridge import BaseAdapter, command

class A(BaseAdapter):
    @command
    def version(self):
        return {!r}
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    config = '[pools.near]\nadapter = "near.py:A"\nsize = 1\n'
    with Pit(config) as one:
        yield one


def test_a_restart_after_one_that_failed_loads_the_corrected_code(shared: Pit) -> None:
    shared.adapter(GOOD.format("one"), "a.py")
    shared.run("up", "a", "--adapter", "a.py", "--size", "2")
    shared.adapter("def (", "a.py")
    assert shared.run("restart", "a", check=False).returncode == 126
    assert shared.run("exec", "version", "--pool", "a").stdout == '"one"\n', "the workers that there were serve on"
    shared.adapter(GOOD.format("two"), "a.py")
    shared.run("restart", "a")
    assert shared.run("exec", "version", "--pool", "a").stdout == '"two"\n'
    assert shared.pool("a")["state"] == "open"


def test_the_corrected_up_replaces_a_pool_that_failed(shared: Pit) -> None:
    assert shared.run("up", "b", "--adapter", "nowhere.py", check=False).returncode != 0
    shared.adapter(GOOD.format("b"), "b.py")
    shared.run("up", "b", "--adapter", "b.py", "--size", "1")
    assert shared.run("exec", "version", "--pool", "b").stdout == '"b"\n'


def test_a_relative_adapter_is_meant_from_its_configuration_file(shared: Pit) -> None:
    (shared.config.parent / "near.py").write_text(GOOD.format("near"))
    assert shared.run("exec", "version", "--pool", "near").stdout == '"near"\n'
    shared.run("down", "near")
    shared.run("up", "near")
    assert shared.run("exec", "version", "--pool", "near").stdout == '"near"\n'


def test_a_pool_that_needs_longer_than_its_limit_gets_ready(shared: Pit) -> None:
    """Twice the time in each round. A call that waits for it is told which setting to raise, until one is served."""
    slow = shared.adapter("import time\ntime.sleep(1.0)\n" + GOOD.format("slow"), "slow.py")
    text = f'[pools.slow]\nadapter = "{shared.work / slow}"\nsize = 1\n[pools.slow.limits]\nstartup_timeout = "700ms"\n'
    said: list[str] = []

    def served() -> bool:
        done = one.run("exec", "version", "--pool", "slow", "--timeout", "30", check=False)
        said.append(done.stdout or done.stderr)
        return done.returncode == 0

    with Pit(text) as one:
        wait.until(served, "the pool to get ready", timeout=60)
    assert said[-1] == '"slow"\n'
    assert all("`startup_timeout` (0.7 s) under [pools.slow.limits]" in refusal for refusal in said[:-1])
