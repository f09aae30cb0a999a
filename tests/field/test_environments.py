"""Several virtual environments, several versions, one server."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator

import pytest

from tests.harness.pit import Pit

WHERE = """
import sys
{more}
from snakepit_bridge import BaseAdapter, command

class Where(BaseAdapter):
    @command
    def where(self):
        return sys.prefix
"""


class Environment:
    """A virtual environment with everything of this one, and a module of its own."""

    def __init__(self, pit: Pit, name: str, at_start: str = "") -> None:
        self._pit = pit
        self.folder = pit.folder / name
        venv.create(self.folder, symlinks=True, with_pip=False)
        here = sysconfig.get_path("purelib")
        (site,) = self.folder.glob("lib/python*/site-packages")
        (site / "base.pth").write_text(f"import site; site.addsitedir({here!r})\n{at_start}\n")
        (site / f"only_in_{name}.py").write_text("")
        self.python = str(self.folder / "bin" / "python")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-m", "snakepit_cli", *words], cwd=self._pit.work, env=self._pit.env, capture_output=True,
            text=True, check=False, timeout=60,
        )  # fmt: skip


@pytest.fixture
def pit() -> Iterator[Pit]:
    with Pit("[pools.default]\nsize = 1\n") as one:
        yield one


def test_up_uses_the_interpreter_of_the_snakepit_that_is_called(pit: Pit) -> None:
    b = Environment(pit, "b")
    pit.adapter(WHERE.format(more="import only_in_b"), "b.py")
    pit.adapter(WHERE.format(more=""), "any.py")
    pit.run("up", "--no-wait")
    made = b.run("up", "b", "--adapter", "b.py", "--size", "1")
    assert made.returncode == 0, made.stderr
    assert json.loads(pit.run("exec", "where", "--pool", "b").stdout) == str(b.folder)
    pit.run("up", "any", "--adapter", "any.py", "--size", "1")
    refused = b.run("up", "any", "--adapter", "any.py")
    assert refused.returncode == 2
    assert sys.executable in refused.stderr
    assert f"add `--python {b.python}` to change that" in refused.stderr
    again = pit.run("up", "any", "--adapter", "any.py", "--json")
    assert json.loads(again.stdout)["changed"] is False
    moved = b.run("up", "any", "--adapter", "any.py", "--python", b.python)
    assert moved.returncode == 0, moved.stderr
    assert json.loads(pit.run("exec", "where", "--pool", "any").stdout) == str(b.folder)


def test_an_interpreter_without_the_bridge_is_told_how_to_get_it(pit: Pit) -> None:
    bare = pit.folder / "bare"
    venv.create(bare, symlinks=True, with_pip=False)
    pit.adapter(WHERE.format(more=""), "a.py")
    python = str(bare / "bin" / "python")
    done = pit.run("up", "a", "--adapter", "a.py", "--size", "1", "--python", python, check=False)
    assert done.returncode == 69
    assert f"install the bridge in it: {python} -m pip install snakepit-bridge" in done.stderr


def test_a_newer_client_does_not_end_the_pools_that_up_has_made(pit: Pit) -> None:
    old = Environment(pit, "old", "import snakepit_cli; snakepit_cli.__version__ = '0.0.1'")
    pit.adapter(WHERE.format(more=""), "a.py")
    made = old.run("up", "a", "--adapter", "a.py", "--size", "1")
    assert made.returncode == 0, made.stderr
    pid = pit.status()["server"]["pid"]
    for words in (("exec", "where", "--pool", "a"), ("up",)):
        refused = pit.run(*words, check=False)
        assert refused.returncode == 76
        assert "`up` has made: a" in refused.stderr
        assert "run `snakepit down`" in refused.stderr
    assert pit.status()["server"]["pid"] == pid
    pit.run("down")
    pit.run("up", "a", "--adapter", "a.py", "--size", "1")
    assert json.loads(pit.run("exec", "where", "--pool", "a").stdout) == sys.prefix


def test_a_newer_client_replaces_a_server_that_calls_have_started(pit: Pit) -> None:
    old = Environment(pit, "old", "import snakepit_cli; snakepit_cli.__version__ = '0.0.1'")
    assert old.run("exec", "ping").returncode == 0
    assert pit.status()["version"] == "0.0.1"
    pit.run("exec", "ping")
    assert pit.status()["version"] != "0.0.1"
