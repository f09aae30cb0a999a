"""How workers are started: what is in the current directory and in the environment does not matter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.harness.pit import Pit

ASKS = """
import os, subprocess, sys, threading
{more}
from snakepit_bridge import BaseAdapter, command
class Asks(BaseAdapter):
    @command
    def script(self):
        words = [sys.executable, "-P", "-m", "snakepit_cli", "exec", "ping"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        return [done.returncode, done.stdout, done.stderr]
    @command
    def safe(self):
        return [os.environ.get("PYTHONSAFEPATH"), os.environ.get("SNAKEPIT_SAFE_PATH")]
"""
HERE = (sys.executable, "-P", "-m", "snakepit_cli")
"""As the command `snakepit`, which does not look for modules in the current directory."""
COLD = "threading.Thread(target=threading.Event().wait, daemon=True).start()"


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit("[pools.default]\nsize = 1\n") as one:
        one.run("up")
        (one.work / "adapters").mkdir()
        for name, more in (("warm", ""), ("cold", COLD)):
            one.adapter(ASKS.format(more=more), f"adapters/{name}.py")
        for module in ("platform", "traceback", "uuid"):
            one.adapter("raise RuntimeError('this is the wrong one')\n", f"{module}.py")
        yield one
        for module in one.work.glob("*.py"):
            module.unlink()


def run(pit: Pit, *words: str) -> str:
    command = [*HERE, *words]
    done = subprocess.run(command, cwd=pit.work, env=pit.env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "options"),
    [("warm", ()), ("cold", ()), ("strict", ("--contain", "strict")), ("strict-cold", ("--contain", "strict"))],
)
def test_modules_in_the_current_directory_do_not_shadow_the_standard_library(
    pit: Pit, name: str, options: tuple[str, ...]
) -> None:
    file = "warm" if name == "strict" else name.removeprefix("strict-")
    run(pit, "up", name, "--adapter", f"adapters/{file}.py", "--size", "1", *options)
    assert json.loads(run(pit, "exec", "safe", "--pool", name)) == [None, None]


def test_a_command_line_within_a_handler_is_answered_by_the_default_pool_of_this_instance(pit: Pit) -> None:
    run(pit, "up", "asks", "--adapter", "adapters/warm.py", "--size", "1")
    code, out, err = json.loads(run(pit, "exec", "script", "--pool", "asks"))
    assert (code, json.loads(out)["status"]) == (0, "pong"), err


def test_an_adapter_without_commands_is_noticed(pit: Pit) -> None:
    pit.adapter("class Forgot:\n    def predict(self, x): return x\n", "adapters/forgot.py")
    done = pit.run("up", "forgot", "--adapter", f"{pit.work}/adapters/forgot.py:Forgot", "--size", "1", cwd="/")
    assert "note: Forgot has no commands: write @command above" in done.stderr
