"""A configuration that is changed while the server runs, and what `up` says that comes before it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.harness.pit import Pit

ADAPTER = """
import os, sys
from snakepit_bridge import BaseAdapter, command

class A(BaseAdapter):
    @command
    def look(self, name: str):
        return os.environ.get(name)

    @command
    def interpreter(self):
        return sys.executable
"""


def said(color: str) -> str:
    return f'[pools.a]\nadapter = "work/adapter.py"\nsize = 1\nenv = {{ COLOR = "{color}" }}\n'


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit(said("red")) as one:
        one.adapter(ADAPTER)
        yield one


def test_status_says_so_and_up_applies_it(shared: Pit) -> None:
    exec_ = ("exec", "look", "name=COLOR", "--pool", "a")
    shared.run("up", "a")
    assert shared.run(*exec_).stdout == '"red"\n'
    assert "its configuration has changed" not in shared.run("status").stdout
    shared.config.write_text(said("blue"))
    assert "pool a: its configuration has changed; `snakepit up a` applies it\n" in shared.run("status").stdout
    assert shared.run(*exec_).stdout == '"red"\n', "nothing happens by itself"
    shared.run("up", "a")
    assert shared.run(*exec_).stdout == '"blue"\n'
    assert shared.status()["outdated"] == {"pools": [], "server": False}
    first = shared.json("workers", "--pool", "a")
    shared.run("up", "a")
    assert [one["id"] for one in shared.json("workers", "--pool", "a")] == [one["id"] for one in first]


def test_what_only_a_new_server_can_take_over(shared: Pit) -> None:
    shared.run("up", "a")
    before = shared.config.read_text()
    shared.config.write_text(f'[server]\nidle_timeout = "7h"\n{before}')
    assert "`snakepit server restart` applies it" in shared.run("status").stdout
    shared.run("server", "restart")
    assert shared.status()["outdated"] == {"pools": [], "server": False}
    shared.config.write_text(before)


def test_a_new_server_knows_of_pools_from_before(shared: Pit) -> None:
    shared.run("up", "a")
    shared.config.write_text(said("green"))
    shared.run("server", "restart")
    assert shared.status()["outdated"]["pools"] == ["a"]


def test_a_broken_file_changes_nothing(shared: Pit) -> None:
    before = shared.config.read_text()
    shared.config.write_text("[pools.a")
    assert shared.run("status").returncode == 0
    shared.run("up", "a")
    shared.config.write_text(before)


def test_variables_and_interpreter_of_the_command_line(shared: Pit) -> None:
    shared.run("up", "b", "--adapter", "adapter.py", "--size", "1", "--env", "COLOR=a=b", "--python", sys.executable)
    assert shared.run("exec", "look", "name=COLOR", "--pool", "b").stdout == '"a=b"\n'
    assert shared.run("exec", "interpreter", "--pool", "b").stdout.strip().strip('"') == sys.executable
    shared.run("up", "b", "--env", "COLOR=c")
    assert shared.run("exec", "look", "name=COLOR", "--pool", "b").stdout == '"c"\n'
    missing = shared.run("up", "c", "--adapter", "adapter.py", "--python", "./no-python", check=False)
    assert missing.returncode == 127
    assert "--python" in missing.stderr
    assert shared.run("up", "c", "--env", "COLOR", check=False).returncode == 2
