"""A relative name in the configuration is relative to the file that says it, whichever client starts the pool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.reference import absolute
from snakepit_cli.server.pools import specs
from snakepit_cli.settings import load
from snakepit_cli.settings.schema import Settings
from snakepit_cli.wire.ops import PoolRequest


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("words.py:Words", "/d/words.py:Words"),
        ("./a/../words.py", "/d/words.py"),
        ("python:words.py:Words", "/d/words.py:Words"),
        ("node:./words", "node:/d/words"),
        ("/x/words.py:Words", "/x/words.py:Words"),
        ("pkg.mod:Words", "pkg.mod:Words"),
        ("showcase", "showcase"),
        ("exec:./filter -x", "exec:./filter -x"),
    ],
)
def test_references_to_files_become_absolute(said: str, meant: str) -> None:
    assert absolute(said, "/d") == meant


def test_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute("~/words.py:Words", "/d") == "/home/me/words.py:Words"


@pytest.mark.parametrize("adapter", ["words.py:Words", "exec:./filter", "node:./words"])
def test_a_call_and_up_mean_the_same(adapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[pools.p]\nadapter = "{adapter}"\npython = "bin/python"\n')
    monkeypatch.setenv("SNAKEPIT_CONFIG", str(file))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/bin/sh")
    found = load.load()
    by_call = specs.make(specs.of_configuration("p"), found)
    by_up = specs.make(PoolRequest(pool="p", cwd="/elsewhere", env=dict(os.environ)), found)
    assert (by_call.adapter, by_call.cwd, by_call.python) == (by_up.adapter, by_up.cwd, by_up.python)
    assert by_call.cwd == str(tmp_path)
    assert by_call.python == str(tmp_path / "bin" / "python")


def test_an_interpreter_that_is_missing_names_the_line_that_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[pools.p]\nsize = 1\npython = "bin/python"\n')
    monkeypatch.setenv("SNAKEPIT_CONFIG", str(file))
    with pytest.raises(PitError, match=f"there is no {tmp_path}/bin/python") as raised:
        specs.make(specs.of_configuration("p"), load.load())
    assert f"{file}:3" in raised.value.hint


def test_what_the_caller_says_is_meant_from_where_it_is(tmp_path: Path) -> None:
    spec = specs.make(PoolRequest(pool="p", cwd="/elsewhere", env={}, adapter="words.py"), Settings())
    assert (spec.adapter, spec.cwd) == ("/elsewhere/words.py", "/elsewhere")
