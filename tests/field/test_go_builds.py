"""A Go adapter is compiled again when anything has changed that its build reads."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.pit import ROOT

SHOW = """package main

import (
	{imports}
	"fmt"
	"snakepit"
)

{head}

func main() {{ _ = snakepit.Command[struct{{}}, int]; fmt.Print({values}) }}
"""
EMBED = (
    '//go:embed text.txt more\nvar files embed.FS\n\nfunc text() string { return read("text.txt") + names("more") }\n'
)
READ = """
func read(name string) string { data, _ := files.ReadFile(name); return string(data) }

func names(folder string) (all string) {
	found, _ := files.ReadDir(folder)
	for _, one := range found {
		all += one.Name()
	}
	return
}
"""
Shown = Callable[[str], str]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def shown(cache: Path) -> Shown:
    """What the program of an adapter prints; `launch.py` is given what snakepit gives it."""
    go = subprocess.run(["which", "go"], capture_output=True, text=True, check=True).stdout.strip()
    known = {
        "GOCACHE": subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    }

    def run(adapter: str) -> str:
        folder = ROOT / "bridges" / "go"
        words = ["--go", go, "--bridge", str(folder), "--adapter", adapter, "--cwd", "/", "--python", sys.executable]
        env: dict[str, Any] = {**os.environ, **known, "XDG_CACHE_HOME": str(cache)}
        done = subprocess.run(
            [sys.executable, "-IS", str(folder / "launch.py"), *words], env=env, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        return done.stdout or done.stderr

    return run


def embedding(folder: Path) -> None:
    (folder / "more").mkdir(parents=True)
    (folder / "text.txt").write_text("one")
    (folder / "more" / "a").touch()
    (folder / "main.go").write_text(SHOW.format(imports='"embed"', head=EMBED + READ, values="text()"))


@pytest.mark.parametrize("form", ["a module", "a folder", "a file", "a folder of a module", "a path with a space"])
def test_embedded_files(shown: Shown, tmp_path: Path, form: str) -> None:
    folder = tmp_path / ("a b" if form == "a path with a space" else "deep") / "app"
    embedding(folder)
    if form in ("a module", "a path with a space"):
        (folder / "go.mod").write_text("module example.com/app\n\ngo 1.19\n")
    if form == "a folder of a module":
        (folder.parent / "go.mod").write_text("module example.com/above\n\ngo 1.19\n")
    adapter = str(folder / "main.go" if form == "a file" else folder)
    assert shown(adapter) == "onea"
    (folder / "text.txt").write_text("two")
    assert shown(adapter) == "twoa"
    (folder / "more" / "b").touch()
    assert shown(adapter) == "twoab"
    assert not [name for name in os.listdir(folder) if name not in {"more", "text.txt", "main.go", "go.mod"}]


def test_modules_beside_it_and_files_that_come_and_go(shown: Shown, tmp_path: Path) -> None:
    app, lib = tmp_path / "app", tmp_path / "lib"
    app.mkdir()
    lib.mkdir()
    (lib / "go.mod").write_text("module example.com/lib\n\ngo 1.19\n")
    (lib / "lib.go").write_text("package lib\n\nconst V = 1\n")
    requires = "require example.com/lib v0.0.0\nreplace example.com/lib => ../lib\n"
    (app / "go.mod").write_text(f"module example.com/app\n\ngo 1.19\n\n{requires}")
    (app / "main.go").write_text(SHOW.format(imports='"example.com/lib"', head="var own = 0", values="lib.V, own"))
    assert shown(str(app)) == "1 0"
    (lib / "lib.go").write_text("package lib\n\nconst V = 2\n")
    assert shown(str(app)) == "2 0"
    (app / "more.go").write_text("package main\n\nfunc init() { own = 7 }\n")
    assert shown(str(app)) == "2 7"
    (app / "more.go").unlink()
    assert shown(str(app)) == "2 0"


def test_what_has_not_changed_is_not_compiled_again(shown: Shown, cache: Path, tmp_path: Path) -> None:
    embedding(tmp_path / "app")
    before = set(cache.rglob("worker"))
    assert shown(str(tmp_path / "app")) == "onea"
    [program] = set(cache.rglob("worker")) - before
    made = program.stat().st_ino
    (tmp_path / "app" / "notes.log").touch()
    assert shown(str(tmp_path / "app")) == "onea"
    assert program.stat().st_ino == made
    (tmp_path / "app" / "other.go").write_text("package main\n")
    assert shown(str(tmp_path / "app")) == "onea"
    assert program.stat().st_ino != made


def test_nothing_is_kept_in_a_home_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `sudo`, which may keep HOME."""
    launch = runpy.run_path(str(ROOT / "bridges" / "go" / "launch.py"), run_name="launch")
    for name in ("XDG_CACHE_HOME", "GOCACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert launch["cache"]() == f"{tmp_path}/.cache/snakepit/go"
    assert "GOCACHE" not in os.environ  # the go tool's own
    monkeypatch.setitem(launch["cache"].__globals__, "_is_mine", lambda _: False)
    assert not launch["cache"]().startswith(str(tmp_path))
    assert not os.environ["GOCACHE"].startswith(str(tmp_path))
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    assert not launch["_is_mine"](str(tmp_path / "not" / "there"))


def test_without_a_home_in_the_environment_the_go_tool_is_told_of_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under cron and systemd. The go tool, other than Python, does not ask who the user is."""
    launch = runpy.run_path(str(ROOT / "bridges" / "go" / "launch.py"), run_name="launch")
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(os.path, "expanduser", lambda _: str(tmp_path))
    assert launch["cache"]() == f"{tmp_path}/.cache/snakepit/go"
    assert os.environ == {"GOCACHE": f"{tmp_path}/.cache/go-build"}
