"""Processes that are there and do nothing: a stuck event loop, a stopped worker. And one that is only busy."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.harness import procs, wait
from tests.harness.pit import Pit

CONFIG = "[pools.default]\nsize = 2\n[limits]\nsilence_timeout = 1\n"
BUSY = """
import hashlib
from snakepit_bridge import command

class Busy:
    @command
    def grind(self, rounds: int) -> str:
        # One call into C that keeps the interpreter's lock to its end.
        return str(sum(range(rounds)))[:5]
"""


def test_a_stopped_worker_is_found_and_replaced() -> None:
    with Pit(CONFIG) as pit:
        call = pit.start("exec", "sleep", "seconds:=60", "--json", "--timeout", "100")
        pit.until_pool("it to run", ready=2, busy=1)
        victim = next(worker for worker in pit.workers() if worker["state"] == "busy")
        os.kill(victim["pid"], signal.SIGSTOP)
        out, _ = call.communicate(timeout=30)
        error = json.loads(out)["error"]
        assert (call.returncode, error["kind"]) == (71, "worker_unresponsive")
        assert (error["worker"], error["state"]) == (victim["id"], "stopped")
        wait.until(lambda: not procs.alive(victim["pid"]), "it to be killed")
        pit.until_pool("a new one", ready=2, busy=0)


def test_a_worker_that_computes_in_silence_is_left_alone() -> None:
    with Pit(CONFIG) as pit:
        pit.run("up", "--adapter", pit.adapter(BUSY), "--size", "1")
        pit.run("exec", "grind", "rounds:=300000000", "--timeout", "100")
        assert pit.pool()["restarts"] == 0


@pytest.mark.parametrize("action", ["sleep:600", "stop"])
def test_a_stuck_event_loop_is_ended_and_its_workers_stay(action: str) -> None:
    with Pit(CONFIG, SNAKEPIT_FAILPOINT=f"server.tick={action}@3") as pit:
        pit.run("up")
        workers = {worker["pid"] for worker in pit.workers()}
        first = pit.status()["server"]["pid"]
        wait.until(lambda: not procs.alive(first), "the stuck server to be ended", timeout=30)
        # The next server has the same failpoint, and two seconds until then.
        assert {worker["pid"] for worker in pit.workers()} == workers
        assert "stuck" in pit.log("warden")
        if action != "stop":
            assert "failpoint" in pit.log("server"), "its stacks say where it was stuck"
