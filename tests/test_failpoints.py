"""Failpoints: each that is listed is passed somewhere, each that is passed is listed, and each does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from snakepit_cli.base.failpoints import POINTS
from tests.harness.pit import ROOT, Pit

CODE = """
from snakepit_cli.base.failpoints import failpoint
for n in range(4):
    try:
        failpoint("server.call")
        print(n)
    except OSError as error:
        print(error.strerror)
"""


def run(armed: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "SNAKEPIT_FAILPOINT": armed}
    return subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_list_is_true() -> None:
    passed = set()
    for path in (ROOT / "snakepit_cli").rglob("*.py"):
        passed |= set(re.findall(r'failpoint\("([^"]+)"\)', path.read_text()))
    assert passed == set(POINTS)


def test_off_they_do_nothing() -> None:
    assert run("").stdout == "0\n1\n2\n3\n"
    assert run("server.result=kill").stdout == "0\n1\n2\n3\n"


@pytest.mark.parametrize(
    ("armed", "code", "out"),
    [
        ("server.call=kill", -9, ""),
        ("server.call=eio", 0, "Input/output error\n1\n2\n3\n"),
        ("server.call=eio@3", 0, "0\n1\nInput/output error\n3\n"),
        ("server.call=eio@*", 0, "Input/output error\n" * 4),
        ("server.result=kill, server.call=sleep:0.01 @ 2", 0, "0\n1\n2\n3\n"),
    ],
)
def test_on_they_do_what_they_say(armed: str, code: int, out: str) -> None:
    done = run(armed)
    assert (done.returncode, done.stdout) == (code, out)


@pytest.mark.parametrize("armed", ["server.call", "server.call=explode", "nowhere=kill", "server.call=kill@x"])
def test_a_mistake_is_said(armed: str) -> None:
    assert "ValueError" in run(armed).stderr


def test_they_are_listed(pit: Pit) -> None:
    assert pit.json("debug", "failpoints") == POINTS
    assert "warden.after-fork" in pit.run("debug", "failpoints").stdout
