"""The server dies, or is replaced on purpose: warm workers and their state stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.harness import procs, wait
from tests.harness.pit import Pit

ADAPTER = """
import os, time
from snakepit_bridge import CallContext, command

class Keeper:
    def __init__(self):
        self.store = {}

    @command
    def keep(self, name: str, value: int) -> int:
        self.store[name] = value
        return os.getpid()

    @command
    def kept(self, name: str) -> dict:
        return {"pid": os.getpid(), "value": self.store.get(name)}

    @command
    def wait_for(self, path: str, ctx: CallContext) -> str:
        while not ctx.path(path).exists():
            time.sleep(0.01)
        return "waited"

    @command
    def nap(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"
"""


@pytest.fixture
def keeper(pit: Pit) -> Pit:
    pit.run("up", "--adapter", pit.adapter(ADAPTER), "--size", "3")
    return pit


def pids(pit: Pit) -> set[int]:
    return {worker["pid"] for worker in pit.workers()}


def crash(pit: Pit) -> None:
    """Kills the server and waits for the next one, with all of its workers."""
    server = pit.status()["server"]["pid"]
    procs.kill(server)
    wait.until(lambda: not procs.alive(server), "the server to die")
    pit.until_pool("the workers to come home", ready=3)


def test_workers_outlive_the_server_and_keep_their_state(keeper: Pit) -> None:
    before = pids(keeper)
    home = int(keeper.run("exec", "keep", "name=x", "value:=7", "--session", "s").stdout)
    for crashes in range(1, 4):
        crash(keeper)
        assert pids(keeper) == before
        assert keeper.json("exec", "kept", "name=x", "--session", "s") == {"pid": home, "value": 7}
        assert keeper.status()["server"]["restarts"] == crashes


def test_the_next_call_waits_for_the_next_server(keeper: Pit) -> None:
    before = pids(keeper)
    procs.kill(keeper.status()["server"]["pid"])
    assert keeper.json("exec", "kept", "name=x")["pid"] in before


def test_calls_in_flight_end_with_a_named_error(keeper: Pit) -> None:
    before = pids(keeper)
    running = [keeper.start("exec", "nap", "seconds:=60", "--json") for _ in range(2)]
    keeper.until_pool("both to run", busy=2)
    crash(keeper)
    for one in running:
        out, _ = one.communicate(timeout=20)
        assert (one.returncode, json.loads(out)["error"]["kind"]) == (71, "server_restarted")
    keeper.until_pool("the calls to be given up", busy=0)
    assert pids(keeper) == before, "a handler that gives up when told keeps its worker"


def test_a_worker_that_died_with_the_server_is_replaced(keeper: Pit) -> None:
    victim, *others = sorted(pids(keeper))
    server = keeper.status()["server"]["pid"]
    os.kill(server, signal.SIGSTOP)  # so that it cannot act on the news
    procs.kill(victim)
    procs.kill(server)
    keeper.until_pool("the pool to be whole", ready=3)
    now = pids(keeper)
    assert victim not in now
    assert set(others) <= now


def test_a_restart_lets_calls_finish_and_keeps_the_workers(keeper: Pit) -> None:
    before = pids(keeper)
    call = keeper.start("exec", "wait_for", "path=sign")
    keeper.until_pool("it to run", busy=1)
    restart = keeper.start("server", "restart", "--timeout", "30")
    late = [keeper.start("exec", "kept", "name=x", stderr=subprocess.STDOUT) for _ in range(4)]
    keeper.adapter("", "sign")
    out, err = call.communicate(timeout=20)
    assert (call.returncode, out) == (0, '"waited"\n'), err
    for one in (*late, restart):
        out, _ = one.communicate(timeout=20)
        assert one.returncode == 0, out
    keeper.until_pool("the workers to come home", ready=3)
    assert pids(keeper) == before


def test_the_template_outlives_the_server(keeper: Pit) -> None:
    crash(keeper)
    keeper.run("up", "--size", "5")
    pool = keeper.until_pool("more workers", ready=5)
    assert pool["start"] == "template"
    assert keeper.log("warden").count("template template:default") == 1


def test_a_pool_that_was_being_stopped_stays_stopped(keeper: Pit) -> None:
    keeper.run("up", "other", "--adapter", "showcase", "--size", "1")
    call = keeper.start("exec", "sleep", "seconds:=60", "--pool", "other")
    keeper.until_pool("it to run", "other", busy=1)
    down = keeper.start("down", "other", "--timeout", "60")
    keeper.until_pool("it to drain", "other", state="draining")
    crash(keeper)
    for one in (call, down):
        one.communicate(timeout=20)
    assert [pool["name"] for pool in keeper.status()["pools"]] == ["default"]
    wait.until(lambda: len(pids(keeper)) == 3 and len(keeper.processes()) == 7, "its worker and template to go")


def test_a_pool_whose_program_is_gone_does_not_keep_the_others_from_being_served() -> None:
    with Pit("[pools.default]\nsize = 2\n") as pit:
        pit.run("up")
        program = pit.work / "filter"
        program.write_text("#!/bin/sh\ncat\n")
        program.chmod(0o755)
        pit.run("up", "gone", "--adapter", "exec:./filter", "--size", "1")
        program.unlink()
        kept = {one["pid"] for one in pit.workers() if one["pool"] == "default"}
        procs.kill(pit.status()["server"]["pid"])
        wait.until(lambda: pit.run("exec", "ping", check=False).returncode == 0, "another server")
        assert {one["pid"] for one in pit.workers()} == kept
        assert "pool gone is given up: there is no program" in pit.run("logs", "server").stdout
