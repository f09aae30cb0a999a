"""`python3 -m tests` leaves nothing out, and the tests do not depend on what started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests import __main__ as command
from tests.harness import machine
from tests.harness.pit import ROOT

LISTS = (*command.ONCE, *command.ENDS, *command.SMOKE)


@pytest.mark.parametrize("versions", [["3.11"], ["3.11", "3.13"], ["3.11", "3.12", "3.13"]])
def test_one_version_runs_everything(versions: list[str]) -> None:
    assert [] in [command.selection(versions, version) for version in versions]


def test_what_is_left_out_somewhere_exists() -> None:
    assert [path for path in LISTS if not (ROOT / path).exists()] == []
    between = [word.partition("=")[2] for word in command.selection(command.VERSIONS, "3.12")]
    assert [path for path in between if not (ROOT / path).exists()] == []
    assert not set(between) & set(command.SMOKE)


def test_help_starts_nothing() -> None:
    """Not even the look for system packages: PATH is empty."""
    done = subprocess.run(
        [sys.executable, "-m", "tests", "--help"],
        cwd=ROOT,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--only" in done.stdout


def test_a_library_that_is_missing_is_not_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rscript without jsonlite, for instance."""
    monkeypatch.setattr(
        command, "PACKAGES", {"there": (sys.executable, "-c", ""), "not": (sys.executable, "-c", "1/0")}
    )
    monkeypatch.setattr(command.os, "geteuid", lambda: 1000)
    with pytest.raises(command.FailedError, match=r"^missing: not; "):
        command.programs()


def test_inherited_signals_and_settings_are_forgotten() -> None:
    """As when nohup has started it, in a shell with settings of its own."""
    script = (
        "import os, signal, subprocess, sys\n"
        "from tests.harness import inherited\n"
        "inherited.forget()\n"
        "show = 'import signal; print(signal.getsignal(signal.SIGHUP), signal.pthread_sigmask(signal.SIG_BLOCK, []))'\n"
        "print(sorted(name for name in os.environ if name.startswith('SNAKEPIT_')), flush=True)\n"
        "subprocess.run([sys.executable, '-c', show])\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('still here')\n"
    )

    def hostile() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "SNAKEPIT_POOL": "x"}, preexec_fn=hostile,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[]", "0 set()", "still here"], done.stderr


def test_a_limit_of_time_is_longer_on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "slowness", lambda: 3.0)
    assert [machine.too_late(seconds, 2.0) for seconds in (1.0, 3.0, 5.9, 6.1)] == [False, False, False, True]
