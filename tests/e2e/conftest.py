"""What the tests of the whole thing share."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import wait
from tests.harness.pit import Pit

PUPPETS = Path(__file__).resolve().parents[1] / "puppets"
RASCAL = str(PUPPETS / "rascal.py")
SMALL = "[pools.default]\nsize = 2\n"
"""Configuration of most tests: as few processes as show the matter."""


@pytest.fixture(scope="module")
def warm() -> Iterator[Pit]:
    """One instance with the showcase for all tests of a module. None of them may harm it."""
    with Pit(SMALL) as one:
        one.run("up")
        yield one


@pytest.fixture
def cold() -> Iterator[Pit]:
    """An instance where nothing runs yet."""
    with Pit(SMALL) as one:
        yield one


def foreground(pit: Pit, *argv: str, **options: Any) -> subprocess.Popen[str]:
    """A command that Ctrl-C reaches: the tests may have been started by something that ignores it."""
    return pit.start(*argv, preexec_fn=_listen_to_interrupts, **options)


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until_running(pit: Pit, call: subprocess.Popen[str]) -> None:
    """Waits for the only call; says why when it ends instead."""
    wait.until(lambda: pit.pool()["running"] == 1 or call.poll() is not None, "the call to run")
    assert call.poll() is None, finish(call)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a command that is about to end."""
    with process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err
