"""What is meant from the current directory, when that cannot be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import folders

RELATIVE = ["ok.py", "a/ok.py:Class", "python:ok.py", "node:./x.js", "go:x", "exec:./run now", "exec-json:bin/run"]
ABSOLUTE = [
    "/a/ok.py",
    "python:/a/ok.py:Class",
    "pkg.mod:Class",
    "showcase",
    "node:/x.js",
    "exec:cat -u",
    "exec:/bin/cat",
]


@pytest.fixture(params=["gone", "not UTF-8"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The current directory is so; what is wrong with it."""
    place = tmp_path / os.fsdecode(b"odd\xfe")
    place.mkdir()
    monkeypatch.chdir(place)
    if request.param == "gone":
        place.rmdir()
    return str(request.param)


@pytest.mark.parametrize("adapter", RELATIVE)
def test_a_relative_file_is_refused(folder: str, adapter: str):
    with pytest.raises(PitError, match=f"current directory is {folder}") as caught:
        folders.check(adapter)
    assert (caught.value.kind, caught.value.hint) == ("usage", "give an absolute path")


@pytest.mark.parametrize("adapter", ABSOLUTE)
def test_anything_else_is_not(folder: str, adapter: str):
    folders.check(adapter)


@pytest.mark.parametrize("adapter", RELATIVE)
def test_an_ordinary_directory_is_told(adapter: str):
    folders.check(adapter)


def test_a_directory_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    (tmp_path / "x").rmdir()
    with pytest.raises(PitError, match="the current directory is gone"):
        folders.current()
