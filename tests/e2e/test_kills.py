"""kill -9, of whomever: no process of ours is left that should not be, and the next command works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import RASCAL, finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import Pit

CONFIG = f'[pools.default]\nsize = 2\n[pools.rascal]\nadapter = "{RASCAL}"\nsize = 1\n'


@pytest.fixture
def pit() -> Iterator[Pit]:
    """Two pools, one of them busy with something that does not give up."""
    with Pit(CONFIG) as one:
        one.run("up")
        call = one.start("exec", "cling", "--pool", "rascal", "--timeout", "600")
        one.until_pool("a call to run", "rascal", running=1)
        yield one
        call.kill()
        finish(call)


def roles(pit: Pit) -> dict[str, int]:
    status = pit.status()
    return {"warden": status["warden"]["pid"], "server": status["server"]["pid"]}


@pytest.mark.parametrize("victims", [["warden"], ["warden", "server"], ["server", "warden"]], ids=" ".join)
def test_of_the_warden(pit: Pit, victims: list[str]) -> None:
    before = pit.processes()
    pids = roles(pit)
    for victim in victims:
        procs.kill(pids[victim])
    wait.until(lambda: not [pid for pid in before if procs.alive(pid)], "every process to end")
    wait.until(lambda: pit.processes() == [], "no other to come into being")
    assert pit.run("status", check=False).returncode == 3
    assert pit.run("exec", "ping").returncode == 0
    assert pit.warden not in before
    assert not set(before) & set(pit.processes())


def test_of_the_server_again_and_again(pit: Pit) -> None:
    """Each with time to recover: the warden gives up only on one that cannot live."""
    for n in range(1, 3):
        procs.kill(roles(pit)["server"])
        wait.until(lambda n=n: pit.status()["server"]["restarts"] == n, "a new server")
    assert pit.run("exec", "ping").returncode == 0


def test_clients_that_come_while_the_server_restarts_wait(pit: Pit) -> None:
    procs.kill(roles(pit)["server"])
    answers = [finish(call) for call in [pit.start("exec", "echo", f"n:={n}") for n in range(8)]]
    # One may have been accepted by the server that died: that is told, not retried.
    assert {code for code, _, _ in answers} <= {0, 71}, answers
    assert [code for code, _, _ in answers].count(0) >= 7, answers
    assert pit.log("warden").count("warden started") == 1


def test_of_everything_but_the_warden(pit: Pit) -> None:
    for pid in pit.processes():
        if pid != pit.warden:
            procs.kill(pid)
    assert pit.run("exec", "ping").returncode == 0
    pit.until_pool("all workers to be there", ready=2)


def test_of_a_template(pit: Pit) -> None:
    """Its workers live on; the next ones are forked from a new one."""
    workers = [one["pid"] for one in pit.workers("default")]
    for pid in pit.processes():
        if "template" in procs.title(pid):
            procs.kill(pid)
    assert pit.run("exec", "ping").returncode == 0
    assert all(procs.alive(pid) for pid in workers)
    procs.kill(workers[0])
    wait.until(lambda: workers[0] not in [w["pid"] for w in pit.workers()], "the death to be noticed")
    pit.until_pool("a new worker to be attached", ready=2)
    assert pit.run("exec", "ping").returncode == 0


def test_stopped_processes_end_too(pit: Pit) -> None:
    """SIGSTOP keeps a process from hearing anything but SIGKILL."""
    before = pit.processes()
    for pid in before:
        if "snakepit worker" in procs.title(pid):
            os.kill(pid, signal.SIGSTOP)
    pit.run("down", "--timeout", "0.5")
    assert not [pid for pid in before if procs.alive(pid)]


def test_a_server_that_does_not_answer_is_ended_by_force(cold: Pit) -> None:
    cold.run("exec", "ping")
    before = cold.processes()
    os.kill(roles(cold)["server"], signal.SIGSTOP)
    done = cold.run("down", "--timeout", "0.1", timeout=120)
    assert not [pid for pid in before if procs.alive(pid)]
    assert "nothing is left" in done.stderr


def test_of_a_server_in_the_foreground(cold: Pit) -> None:
    """Its process is the warden's: a service manager's kill ends everything."""
    server = foreground(cold, "server", "run")
    wait.until(lambda: cold.run("up", "--no-start", check=False).returncode == 0, "the server to run")
    server.kill()
    finish(server)
    wait.until(lambda: cold.processes() == [], "everything to end")
    assert cold.run("exec", "ping").returncode == 0


def test_descendants_of_workers_end_with_them() -> None:
    """A killed worker's own children, too: they are in its session."""
    with Pit(CONFIG) as pit:
        name = pit.adapter(
            "import os, subprocess\n"
            "class Parent:\n"
            "    def execute_start(self): return subprocess.Popen(['sleep', '600']).pid\n"
            "    def execute_die(self): os.kill(os.getpid(), 9)\n"
        )
        pit.run("up", "--adapter", name, "--size", "1")
        child = int(pit.run("exec", "start").stdout)
        assert procs.alive(child)
        assert pit.run("exec", "die", check=False).returncode == 71
        wait.until(lambda: not procs.alive(child), "the child to be killed")
