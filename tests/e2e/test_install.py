"""The README's first command, word for word, where nothing is: a fresh virtual environment, no home, no terminal."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli import __version__
from snakepit_cli.base import paths
from tests.harness import procs
from tests.harness.pit import ROOT

NOT_SOURCE = shutil.ignore_patterns(
    ".git", "build", "dist", ".venv", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis"
)
SYSTEM = "/usr/bin:/bin"
TO_THE_INDEX = re.compile(r"PIP_.*|SSL_CERT_.*|(https?|no|all)_proxy", re.IGNORECASE)
"""Variables that pip may need to find packages from here."""


class Installed:
    """A copy of the sources, installed as the README says. Its instance has a name of its own: it lives beside
    the real ones of the user that runs the tests, because no variable says where else."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.bin = folder / "a virtual environment" / "bin"
        self.instance = f"test-{os.getpid()}"

    def install(self) -> None:
        shutil.copytree(ROOT, self.source, ignore=NOT_SOURCE)
        subprocess.run([sys.executable, "-m", "venv", self.bin.parent], check=True, timeout=120)
        index = {name: value for name, value in os.environ.items() if TO_THE_INDEX.fullmatch(name)}
        self.first = self.sh(first_command(), cwd=self.source, path=SYSTEM, PIP_QUIET="1", **index)

    def sh(self, script: str, cwd: Path | str = "/", path: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Runs it with nothing in the environment but PATH and the instance's name."""
        env |= {"PATH": f"{self.bin}:{path}".rstrip(":"), "SNAKEPIT_INSTANCE": self.instance}
        return subprocess.run(
            ["/bin/sh", "-c", script], cwd=cwd, env=env, stdin=subprocess.DEVNULL, start_new_session=True,
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    def remove(self) -> None:
        self.sh("snakepit down --timeout 1")
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
        for root in (home / ".local/state/snakepit", Path(paths.private_tmp()), Path(paths.private_tmp(), "state")):
            shutil.rmtree(root / self.instance, ignore_errors=True)


def first_command() -> str:
    """Of the README."""
    block = re.search(r"^```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[1]


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    folder = Path(tempfile.mkdtemp(prefix="sp-install-"))
    one = Installed(folder)
    try:
        one.install()
        yield one
    finally:
        one.remove()
        shutil.rmtree(folder)


def test_the_first_command(installed: Installed) -> None:
    assert first_command() == "pip install . && snakepit exec ping"
    assert installed.first.returncode == 0, installed.first.stderr
    assert json.loads(installed.first.stdout)["status"] == "pong"


def test_the_next_commands_from_elsewhere(installed: Installed) -> None:
    again = installed.sh("snakepit exec ping")
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout)["status"] == "pong"
    status = json.loads(installed.sh("snakepit status --json").stdout)
    assert (status["instance"], status["version"]) == (installed.instance, __version__)
    pids = [status[one]["pid"] for one in ("warden", "server")]
    pids += [one["pid"] for one in json.loads(installed.sh("snakepit workers --json").stdout)]
    for pid in pids:
        assert os.readlink(f"/proc/{pid}/cwd") != str(installed.source), procs.title(pid)
    down = installed.sh("snakepit down")
    assert down.returncode == 0
    assert "nothing is left" in down.stderr
    assert not [pid for pid in pids if procs.alive(pid)]


def test_the_command_is_a_program(installed: Installed) -> None:
    """Not only through PATH: cron jobs and service managers name it in full."""
    program = installed.bin / "snakepit"
    assert program.stat().st_mode & stat.S_IXUSR
    for command in (f"'{program}'", "snakepit", "python -m snakepit_cli"):
        done = installed.sh(f"{command} --version")
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, f"snakepit {__version__}", "")


def test_workers_of_another_language_need_nothing_but_its_runtime(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "a.mjs").write_text("export const commands = { double({ n }) { return 2 * n } }\n")
    up = installed.sh("snakepit up js --adapter node:./a.mjs --size 1", cwd=tmp_path, path=SYSTEM)
    assert up.returncode == 0, up.stderr
    assert installed.sh("snakepit exec double n:=21 --pool js").stdout == "42\n"
    installed.sh("snakepit down")


def test_what_is_installed(installed: Installed) -> None:
    """The tool and the bridge, and nothing that would get into the way of others."""
    listed = installed.sh("pip show --files snakepit-cli")
    assert listed.returncode == 0, listed.stderr
    files = [line.strip() for line in listed.stdout.partition("Files:\n")[2].splitlines()]
    tops = {name.partition("/")[0] for name in files} - {f"snakepit_cli-{__version__}.dist-info"}
    assert tops == {"..", "snakepit_cli", "snakepit_bridge"}
    assert [name for name in files if name.startswith("..")] == ["../../../bin/snakepit"]
    ours = ("node/worker.mjs", "ruby/lib/snakepit/worker.rb", "go/wire.go")
    bridges = {f"snakepit_cli/bridges/{name}" for name in ours}
    assert {"snakepit_bridge/py.typed", *bridges} <= set(files)
    assert installed.sh("pip check").returncode == 0
