"""scripts/snakepit finds its interpreter wherever it was installed, and starts it as lightly as that allows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.pit import ROOT

ECHO = '#!/bin/sh\nprintf "%s|" "$0" "$@"\n'
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def program(path: Path, text: str = ECHO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def installed(folder: Path, *interpreters: str, package: bool = True) -> Path:
    """A prefix with the script, these interpreters beside it, and the package unless that is somewhere else."""
    for name in interpreters:
        program(folder / "bin" / name)
    if package:
        program(folder / "lib" / VERSION / "site-packages" / "snakepit_cli" / "fast.py")
    return program(folder / "bin" / "snakepit", (ROOT / "scripts" / "snakepit").read_text())


def run(script: Path | str, *argv: str, path: Path | None = None, cwd: Path | None = None) -> list[str]:
    """What was executed, as words. On PATH there are readlink and whatever `path` holds, no other Python."""
    tools = Path(script).parent if isinstance(script, Path) else None
    search = ":".join(str(one) for one in (path, tools, "/usr/bin", "/bin") if one)
    done = subprocess.run([script, *argv], env={"PATH": search}, cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.split("|")[:-1]


@pytest.mark.parametrize("name", ["plain", "with a space", "l" * 200 + "/" + "o" * 200], ids=["plain", "space", "long"])
def test_beside_its_interpreter(tmp_path: Path, name: str) -> None:
    script = installed(tmp_path / name, "python", VERSION)
    assert run(script, "exec", "a b") == [str(script.parent / VERSION), "-I", "-S", str(script), "exec", "a b"]


def test_through_a_link(tmp_path: Path) -> None:
    """As tools that install commands do."""
    script = installed(tmp_path / "venv", "python", VERSION)
    link = tmp_path / "bin" / "snakepit"
    link.parent.mkdir()
    link.symlink_to(script)
    assert run(link) == [str(script.parent / VERSION), "-I", "-S", str(script)]


def test_an_editable_install_is_found_by_its_interpreter(tmp_path: Path) -> None:
    """It has data files in site-packages, and the modules elsewhere."""
    script = installed(tmp_path, "python", VERSION, package=False)
    (tmp_path / "lib" / VERSION / "site-packages" / "snakepit_cli" / "bridges").mkdir(parents=True)
    assert run(script) == [str(script.parent / "python"), str(script)]


def test_by_a_relative_path(tmp_path: Path) -> None:
    script = installed(tmp_path, "python", VERSION)
    assert run("./snakepit", cwd=script.parent)[1:3] == ["-I", "-S"]


def test_of_a_user(tmp_path: Path) -> None:
    """~/.local has no interpreter: the one of the same version is used, in its normal way."""
    script = installed(tmp_path / ".local")
    other = program(tmp_path / "system" / VERSION)
    assert run(script, path=other.parent) == [str(other), str(script)]


@pytest.mark.parametrize("name", ["python", "python3"])
def test_editable(tmp_path: Path, name: str) -> None:
    """Then `site` knows where the package is."""
    script = installed(tmp_path, name, package=False)
    assert run(script, "status") == [str(script.parent / name), str(script), "status"]


def test_in_a_target_directory(tmp_path: Path) -> None:
    """Then PYTHONPATH says where the package is."""
    script = installed(tmp_path / "target", package=False)
    python = program(tmp_path / "system" / "python3")
    assert run(script, path=python.parent) == [str(python), str(script)]


@pytest.mark.parametrize("flags", [[], ["-I", "-S"]], ids=["with site", "without"])
def test_python_reads_it_as_well(tmp_path: Path, flags: list[str]) -> None:
    """Without `site` it finds the package in the site-packages of its own prefix."""
    script = installed(tmp_path, package=False)
    packages = tmp_path / "lib" / VERSION / "site-packages"
    packages.mkdir(parents=True)
    shutil.copytree(ROOT / "snakepit_cli", packages / "snakepit_cli", ignore=shutil.ignore_patterns("__pycache__"))
    env = {"PATH": "/usr/bin:/bin", **({} if flags else {"PYTHONPATH": str(packages)})}
    argv = [sys.executable, *flags, str(script), "exec", "ping", "--no-start", "--instance", "nobody"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 69, done.stderr
