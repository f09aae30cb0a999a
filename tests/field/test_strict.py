"""Strict containment: workers forked from a template into PID namespaces live and end like all others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import procs, wait
from tests.harness.pit import Pit

ADAPTER = """
import os, time
from snakepit_bridge import BaseAdapter, command

class Keeps(BaseAdapter):
    count = 0
    @command
    def add(self):
        self.count += 1
        return self.count
    @command
    def breed(self):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 256)
                os.execve("/bin/sleep", ["sleep", "3600"], {"SNAKEPIT_COOKIE": os.environ["SNAKEPIT_COOKIE"]})
            os._exit(0)
        return os.getpid()
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit("[pools.default]\nsize = 1\n") as one:
        one.adapter(ADAPTER)
        yield one


@pytest.fixture
def pit(shared: Pit) -> Pit:
    shared.run("up", "s", "--adapter", "adapter.py", "--size", "1", "--contain", "strict")
    return shared


def sleeping(pit: Pit) -> list[int]:
    return [pid for pid in procs.marked(pit.cookie) if procs.title(pid).startswith("sleep 3600")]


def test_workers_come_from_a_template_and_survive_the_server(pit: Pit) -> None:
    assert pit.pool("s")["start"] == "template"
    assert pit.run("exec", "add", "--pool", "s").stdout == "1\n"
    procs.kill(pit.status()["server"]["pid"])
    assert pit.run("exec", "add", "--pool", "s").stdout == "2\n"


@pytest.mark.parametrize("end", ["worker", "down", "warden"])
def test_everything_in_the_namespace_ends(pit: Pit, end: str) -> None:
    assert pit.run("exec", "breed", "--pool", "s").stdout == "1\n"
    wait.until(lambda: sleeping(pit), "the descendant to execute")
    if end == "down":
        pit.run("down", "s")
    else:
        [worker] = [one for one in pit.workers() if one["pool"] == "s"]
        procs.kill(worker["pid"] if end == "worker" else pit.status()["warden"]["pid"])
    wait.until(lambda: not sleeping(pit), "the descendant to end")
