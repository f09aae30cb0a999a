"""What is done with a running pool, and what it does with its workers by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import PUPPETS, finish
from tests.harness import procs, wait
from tests.harness.pit import Pit

TIRED = f"{PUPPETS / 'tired.py'}:Tired"
CONFIG = f'[pools.default]\nsize = 2\nadapter = "{TIRED}"\n'


@pytest.fixture
def pit() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        one.run("up")
        yield one


def pids(pit: Pit) -> set[int]:
    return {worker["pid"] for worker in pit.workers()}


def test_scale(pit: Pit) -> None:
    before = pids(pit)
    assert "pool default: 3 workers ready" in pit.run("scale", "default", "3").stderr
    assert before < pids(pit)
    assert pit.json("scale", "default", "1", "--json")["size"] == 1
    wait.until(lambda: len(pids(pit)) == 1, "two workers to leave")
    assert pit.run("scale", "nope", "1", check=False).returncode == 69
    assert pit.run("scale", "default", "0", check=False).returncode == 2


def test_pause_lets_calls_wait_and_resume_lets_them_run(pit: Pit) -> None:
    assert pit.run("pause").stderr == "pool default: paused\n"
    with pit.start("exec", "who", "--timeout", "60") as call:
        pit.until_pool("the call to wait", queued=1, running=0, state="paused")
        assert "1 waiting" in pit.run("status").stdout or pit.pool()["queued"] == 1
        pit.run("resume")
        code, _, said = finish(call)
    assert (code, said) == (0, "note: pool default is paused: the call waits; run `snakepit resume default`\n")


def test_a_paused_pool_is_still_paused_when_its_server_has_died(pit: Pit) -> None:
    pit.run("pause")
    procs.kill(pit.status()["server"]["pid"])
    wait.until(lambda: pit.status()["server"]["restarts"] == 1, "another server")
    assert pit.pool()["state"] == "paused"


def test_drain_waits_for_what_there_is_and_turns_away_what_comes(pit: Pit) -> None:
    gate = pit.work / "gate"
    with pit.start("exec", "wait", f"note={gate}") as call:
        pit.until_pool("the call to run", running=1)
        late = pit.run("drain", "--timeout", "50ms", check=False)
        assert late.returncode == 124
        assert "1 running and 0 waiting calls are left" in late.stderr
        refused = pit.json("exec", "who", "--json", check=False)["error"]
        assert (refused["kind"], refused["hint"]) == ("pool_unavailable", "run `snakepit resume default`")
        gate.touch()
        assert "closed, no call is left" in pit.run("drain").stderr
        assert call.wait(20) == 0
    assert pit.pool()["ready"] == 2
    pit.run("resume")
    pit.run("exec", "who")


def test_a_pool_is_restarted_under_load_without_a_failed_call_and_loads_changed_code() -> None:
    with Pit("") as pit:
        code = pit.work / "mine.py"
        code.write_text(
            "import time\nclass Mine:\n    def execute_v(self, item=0):\n        time.sleep(0.01)\n        return 1\n"
        )
        pit.run("up", "--adapter", "mine.py:Mine", "--size", "2")
        before = pids(pit)
        with pit.start("map", "v", "--output", "out", stdin=subprocess.PIPE) as run:
            assert run.stdin is not None
            run.stdin.write("1\n" * 200)
            run.stdin.flush()
            wait.until(lambda: (pit.work / "out").exists() and (pit.work / "out").read_text(), "the first answer")
            code.write_text(code.read_text().replace("return 1", "return 2"))
            assert pit.json("restart", "--json")["replaced"]
            run.stdin.write("1\n" * 50)
            run.stdin.close()
            assert run.wait(30) == 0
        answers = (pit.work / "out").read_text().split()
        assert (len(answers), set(answers)) == (250, {"1", "2"})
        assert not before & pids(pit)
        assert pit.run("exec", "v").stdout == "2\n"
        assert pit.pool()["restarts"] == 0


def test_one_worker_is_restarted(pit: Pit) -> None:
    before = {worker["id"]: worker["pid"] for worker in pit.workers()}
    assert pit.run("restart", "default-1").stderr == "pool default: 1 worker replaced\n"
    assert pids(pit) & set(before.values()) == {before["default-2"]}
    assert pit.run("restart", "default-77", check=False).returncode == 69


@pytest.mark.parametrize(
    ("limit", "work"),
    [("max_calls = 3", ["who"]), ('max_age = "500ms"', ["who"]), ("max_memory = 200", ["eat", "megabytes:=300"])],
)
def test_workers_are_replaced_when_they_have_done_lived_or_eaten_enough(limit: str, work: list[str]) -> None:
    with Pit(f"{CONFIG}[pools.default.limits]\n{limit}\n".replace("size = 2", "size = 1")) as pit:
        pit.run("up")
        old = int(pit.run("exec", *work).stdout)
        wait.until(lambda: int(pit.run("exec", "who").stdout) != old, "another worker")
        assert pit.pool()["restarts"] == 0


def test_a_call_that_may_run_twice_survives_its_worker(pit: Pit) -> None:
    assert pit.run("exec", "once", "note=a", check=False).returncode == 71
    assert pit.run("exec", "once", f"note={pit.work}/b", "--idempotent").stdout == '"done"\n'
    assert pit.run("stream", "once", "--idempotent", check=False).returncode == 2


def test_a_strict_session_stays_waits_or_fails(pit: Pit) -> None:
    session = ("--session", "s", "--affinity")
    home = pit.run("exec", "who", *session, "strict_queue").stdout
    with pit.start("exec", "nap", "seconds:=1", *session, "strict_queue") as call:
        pit.until_pool("the call to run", running=1)
        busy = pit.json("exec", "who", *session, "strict_fail_fast", "--json", check=False)["error"]
        assert (busy["kind"], busy["exit"]) == ("worker_busy", 75)
        assert pit.run("exec", "who", *session, "strict_queue").stdout == home
        assert call.wait(20) == 0
    procs.kill(int(home))
    wait.until(lambda: int(home) not in pids(pit), "the home to be missed")
    lost = pit.json("exec", "who", *session, "strict_queue", "--json", check=False)["error"]
    assert (lost["kind"], lost["exit"]) == ("session_lost", 71)
    assert pit.run("exec", "who", *session, "strict_queue").stdout != home


def test_affinity_needs_a_session_and_a_known_word(pit: Pit) -> None:
    assert pit.run("exec", "who", "--affinity", "hint", check=False).returncode == 2
    assert "choose one of" in pit.run("exec", "who", "--session", "s", "--affinity", "x", check=False).stderr


def test_explain(pit: Pit) -> None:
    pit.run("exec", "nap", "seconds:=0.2")
    [row] = [json.loads(pit.run("explain", "--json").stdout)]
    assert (row["command"], row["outcome"], row["state"]) == ("nap", "ok", "done")
    assert row["run"] >= 0.2
    assert abs(sum(row[part] for part in ("start", "queue", "dispatch", "run")) - row["total"]) < 1e-6
    assert "in the handler" in pit.run("explain").stdout
    assert pit.run("exec", "nap", "seconds:=-1", check=False).returncode == 1
    last, before = pit.json("explain", "--recent", "--json")[::-1][:2]
    assert (last["outcome"], before["outcome"]) == ("command_failed", "ok")
    assert pit.run("exec", "nap", "seconds:=30", "--timeout", "300ms", check=False).returncode == 124
    late = pit.json("explain", "--json")
    assert (late["dispatch"], late["run"] > 0.1) == (0.0, True), "it ran until it was given up"
    assert pit.json("explain", str(before["call"]), "--json")["command"] == "nap"
    assert pit.run("explain", "999999", check=False).returncode == 2
    assert pit.run("explain", "x", check=False).returncode == 2


def test_capacity_is_how_many_calls_an_async_worker_runs_at_a_time(pit: Pit) -> None:
    pit.run("up", "many", "--adapter", f"{PUPPETS / 'tired.py'}:Many", "--size", "1", "--capacity", "3")
    calls = [pit.start("exec", "count", "--pool", "many") for _ in range(6)]
    seen = [json.loads(call.communicate(timeout=30)[0]) for call in calls]
    assert max(seen) == 3
    pit.run("up", "many", "--capacity", "5")
    calls = [pit.start("exec", "count", "--pool", "many") for _ in range(10)]
    assert max(json.loads(call.communicate(timeout=30)[0]) for call in calls) == 5


def test_a_spare_worker_takes_over_at_once(pit: Pit) -> None:
    pit.run("up", "spared", "--adapter", TIRED, "--size", "1", "--spare", "1")
    pit.until_pool("both", name="spared", ready=2)
    assert "1/1+1" in pit.run("status").stdout
    nap = pit.start("exec", "nap", "seconds:=60", "--pool", "spared", "--timeout", "90")
    pit.until_pool("the call to run", name="spared", running=1)
    who = pit.start("exec", "who", "--pool", "spared")
    pit.until_pool("the other to wait", name="spared", queued=1)
    [busy] = [one for one in pit.workers() if one["pool"] == "spared" and one["state"] == "busy"]
    procs.kill(busy["pid"])
    assert (who.communicate(timeout=20), who.returncode)[1] == 0
    assert (nap.communicate(timeout=20), nap.returncode)[1] != 0
    pit.until_pool("both again", name="spared", ready=2)
    pit.run("up", "spared", "--spare", "2")
    pit.until_pool("one more", name="spared", ready=3, size=1)
    assert pit.run("up", "other", "--spare", "-1", check=False).returncode == 2
    pit.run("down", "spared")


def test_a_strict_pool_has_workers_in_namespaces_of_their_own(pit: Pit) -> None:
    pit.run("up", "strict", "--adapter", TIRED, "--size", "1", "--contain", "strict")
    assert pit.run("exec", "who", "--pool", "strict").stdout == "1\n"
    assert pit.pool("strict")["contain"] == "strict"
    [worker] = [one for one in pit.workers() if one["pool"] == "strict"]
    assert worker["memory"] > 10 << 20, "what its child holds is its own"
    procs.kill(worker["pid"])
    wait.until(lambda: pit.run("exec", "who", "--pool", "strict", check=False).stdout == "1\n", "another worker")
    pit.run("up", "strict", "--contain", "standard")
    assert pit.run("exec", "who", "--pool", "strict").stdout != "1\n"
    pit.run("down", "strict")


def test_a_kernel_that_does_not_allow_it_is_named(pit: Pit) -> None:
    false = pit.work / "bin" / "unshare"
    false.parent.mkdir()
    false.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    false.chmod(0o755)
    pit.env["PATH"] = f"{false.parent}:{pit.env.get('PATH', '/usr/bin:/bin')}"
    thread = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    pit.adapter(thread + "class Cold: pass\n", "cold.py")  # a fork of the template asks the kernel itself
    done = pit.run("up", "strict", "--adapter", "cold.py:Cold", "--size", "1", "--contain", "strict", check=False)
    assert done.returncode == 69
    assert "Operation not permitted" in done.stderr


VERSIONS = """
from snakepit_bridge import BaseAdapter, command

class A(BaseAdapter):
    @command
    def version(self):
        return {version!r}

    @command
    def count(self):
        for number in range(3):
            yield number
"""


def test_another_adapter_takes_over_and_no_call_fails(pit: Pit) -> None:
    for version in ("one", "two"):
        pit.adapter(VERSIONS.format(version=version), f"{version}.py")
    pit.run("up", "a", "--adapter", "one.py", "--size", "2")
    loop = "while [ ! -e done ]; do snakepit exec version --pool a || exit 1; done"
    path = f"{Path(sys.executable).parent}:{pit.env['PATH']}"
    with subprocess.Popen(["sh", "-c", loop], cwd=pit.work, env={**pit.env, "PATH": path}, stdout=-1) as calls:
        assert calls.stdout is not None
        said = [calls.stdout.readline()]
        assert "2 workers ready" in pit.run("up", "a", "--adapter", "two.py").stderr
        assert pit.run("exec", "version", "--pool", "a").stdout == '"two"\n'
        (pit.work / "done").touch()
        said += calls.stdout.readlines()
    assert calls.returncode == 0
    assert set(said) <= {b'"one"\n', b'"two"\n'}
    assert said[0] == b'"one"\n'


@pytest.mark.parametrize("adapter", ["exec:cat", "exec-json:cat", "nowhere.py", "python-no-such-module:A"])
def test_workers_of_before_serve_on_when_another_adapter_cannot_be_used(pit: Pit, adapter: str) -> None:
    before = pids(pit)
    done = pit.run("up", "--adapter", adapter, "--timeout", "10", check=False)
    if adapter == "exec:cat":
        assert done.returncode == 0, "any line is an answer to it"
        assert not before & pids(pit)
        return
    assert done.returncode != 0
    assert before <= pids(pit)
    assert pit.run("exec", "who").returncode == 0
    pit.run("up", "--adapter", TIRED)
    assert pit.pool()["state"] == "open"
