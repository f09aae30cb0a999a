"""The keeper, with programs that stand for a warden."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from snakepit_cli.base import identity as ident
from snakepit_cli.warden.burial import prctl
from tests.harness import procs, wait

KEPT = """
import os, signal, subprocess, sys, time
from snakepit_cli.warden import keeper
opened = open("/dev/null")
keeper.fork()
print(os.getpid(), keeper.present(), flush=True)
"""
SLEEP = "for _ in range(1200): time.sleep(0.05)"
"""Not one long sleep: a signal that comes just before it would be handled after it."""


@contextmanager
def kept(code: str, **options: object) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The keeper, and the words that the process below it says."""
    argv = [sys.executable, "-c", KEPT + code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, **options) as keeper:  # type: ignore[call-overload]
        assert keeper.stdout is not None
        try:
            yield keeper, keeper.stdout.readline().split()
        finally:
            keeper.kill()


@pytest.mark.parametrize(
    ("code", "status"), [("sys.exit(75)", 75), ("os.kill(os.getpid(), 9)", 137), ("pass", 0)], ids=str
)
def test_it_ends_as_the_warden_ended(code: str, status: int) -> None:
    with kept(code) as (keeper, said):
        assert keeper.wait(10) == status
        assert said[1] == "True"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_handed_on(number: signal.Signals) -> None:
    code = f"signal.signal({number.value}, lambda *_: sys.exit(7))\nprint(flush=True)\n{SLEEP}"
    with kept(code) as (keeper, _):
        assert keeper.stdout is not None
        keeper.stdout.readline()
        keeper.send_signal(number)
        assert keeper.wait(10) == 7


def test_a_signal_that_was_ignored_by_its_starter_is_handed_on_as_well() -> None:
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    code = f"signal.signal({signal.SIGHUP.value}, lambda *_: sys.exit(7))\nprint(flush=True)\n{SLEEP}"
    with kept(code, preexec_fn=ignore) as (keeper, _):
        assert keeper.stdout is not None
        keeper.stdout.readline()
        keeper.send_signal(signal.SIGHUP)
        assert keeper.wait(10) == 7


def test_it_holds_nothing() -> None:
    with kept(SLEEP) as (keeper, said):
        files = lambda: {os.readlink(f"/proc/{keeper.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{keeper.pid}/fd")}  # noqa: E731
        wait.until(lambda: files() == {"/dev/null"}, "the keeper to let go of everything")
        wait.until(lambda: os.readlink(f"/proc/{keeper.pid}/cwd") == "/", "the keeper to leave the directory")
        procs.kill(int(said[0]))
        keeper.wait(10)


def test_the_warden_is_asked_to_end_when_the_keeper_is_killed() -> None:
    with kept(f"signal.signal(15, lambda *_: os._exit(7))\nprint(flush=True)\n{SLEEP}") as (keeper, said):
        assert keeper.stdout is not None
        keeper.stdout.readline()
        keeper.kill()
        wait.until(lambda: not procs.alive(int(said[0])), "the warden to end")


HELPERS = {
    "plain": "subprocess.Popen(['sleep', '60'])",
    "in a session of its own": "subprocess.Popen(['sleep', '60'], start_new_session=True, env={})",
    "deaf": "subprocess.Popen(['sh', '-c', 'trap \"\" TERM; echo; sleep 60; sleep 60'], start_new_session=True)",
    "a daemon": "subprocess.run(['setsid', '-f', 'sleep', '60'])",
    "one that forks without a pause": (
        "subprocess.Popen([sys.executable, '-c', 'import os\\nwhile True:\\n if os.fork(): os._exit(0)'])"
    ),
    "two deep": "subprocess.Popen(['sh', '-c', 'sleep 60 & sleep 60 & wait'])",
}


@pytest.mark.parametrize("how", ["sys.exit(0)", "os.kill(os.getpid(), 9)"])
@pytest.mark.parametrize("helper", HELPERS)
def test_whatever_was_started_ends_after_the_warden(helper: str, how: str) -> None:
    """The output of all of them is one pipe: its end proves that none is left."""
    with kept(f"{HELPERS[helper]}\n{how}") as (keeper, _):
        assert keeper.stdout is not None
        keeper.stdout.read()
        keeper.wait(10)


def test_what_we_may_not_kill_is_reported_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a program that is setuid to another user."""

    def refused(descriptor: int, number: int) -> None:
        raise PermissionError

    with subprocess.Popen(["sleep", "60"]) as child:
        monkeypatch.setattr(signal, "pidfd_send_signal", refused)
        assert prctl.kill_descendants(os.getpid()) >= {child.pid}
        assert child.poll() is None
        child.kill()


def test_descendants_are_killed_and_nothing_else() -> None:
    code = "import subprocess, time\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as root, \
            subprocess.Popen(["sleep", "60"]) as sibling:  # fmt: skip
        assert root.stdout is not None
        grandchild = int(root.stdout.readline())
        assert prctl.kill_descendants(root.pid) == set()
        wait.until(lambda: not procs.alive(grandchild), "the grandchild to end")
        assert root.poll() is None
        assert sibling.poll() is None
        assert ident.stat(root.pid) is not None
        root.kill()
        sibling.kill()
