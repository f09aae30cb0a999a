"""How an instance ends: when asked, at once when it must, and what a dead run left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from snakepit_cli.base import identity as ident
from tests.e2e.conftest import RASCAL, finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import Pit


def test_down_returns_when_nothing_is_left_and_says_so(cold: Pit) -> None:
    cold.run("up")
    before = cold.processes()
    assert len(before) == 6, [procs.title(pid) for pid in before]
    done = cold.run("down")
    assert not [pid for pid in before if procs.alive(pid)]
    assert cold.processes() == []
    assert "stopped (1 pool, 2 workers), nothing is left" in done.stderr
    assert done.stdout == ""
    # The lock's file stays: to remove it would let two wardens hold two locks of one name.
    assert [path.name for path in (cold.folder / "run" / "default").iterdir()] == ["lock"]


def test_down_when_nothing_runs(cold: Pit) -> None:
    assert "nothing is running" in cold.run("down").stderr
    assert cold.json("down") == {"instances": {}}


def test_down_lets_running_calls_finish() -> None:
    with Pit(f'[pools.default]\nadapter = "{RASCAL}"\nsize = 2\n') as pit:
        note = pit.work / "note"
        call = pit.start("exec", "wait", f"note={note}", "--timeout", "600")
        pit.until_pool("the call to run", running=1, ready=2)
        down = pit.start("down", "--timeout", "60", "--json")
        pit.until_pool("the pool to drain", state="draining")
        note.touch()
        assert finish(call)[:2] == (0, '"waited"\n')
        code, out, _ = finish(down)
        assert (code, json.loads(out)["instances"]["default"]["workers"]) == (0, 2)


def test_down_gives_running_calls_no_more_than_they_may_have(cold: Pit) -> None:
    call = cold.start("exec", "sleep", "seconds:=600", "--timeout", "600")
    cold.until_pool("the call to run", running=1)
    cold.run("down", "--timeout", "0.2")
    code, out, err = finish(call)
    assert (code, out) == (69, "")
    assert "stopped" in err


def test_down_of_one_pool(cold: Pit) -> None:
    cold.run("up")
    cold.run("up", "other", "--size", "1", "--adapter", "showcase")
    assert cold.run("exec", "ping", "--pool", "other").returncode == 0
    assert "pool other: stopped (1 worker)" in cold.run("down", "other").stderr
    assert [pool["name"] for pool in cold.status()["pools"]] == ["default"]
    assert cold.run("down", "other", check=False).returncode == 69
    wait.until(lambda: len(cold.processes()) == 6, "the pool's template to end")
    assert cold.run("exec", "ping", "--pool", "other", check=False).returncode == 69


def test_a_terminated_warden_takes_everything_with_it(cold: Pit) -> None:
    cold.run("up")
    assert cold.warden is not None
    procs.kill(cold.warden, signal.SIGTERM)
    wait.until(lambda: cold.processes() == [], "everything to end")
    assert "nothing is left" in cold.log("warden")


def test_two_instances_do_not_see_each_other(cold: Pit) -> None:
    blue = {**cold.env, "SNAKEPIT_INSTANCE": "blue"}
    cold.run("up", "--size", "1")
    cold.run("up", "extra", "--size", "1", "--adapter", "showcase", env=blue)
    assert [pool["name"] for pool in cold.status()["pools"]] == ["default"]
    assert [pool["name"] for pool in cold.json("status", "-L", "blue")["pools"]] == ["extra"]
    for name in ("default", "blue"):
        cookie = (cold.folder / "state" / name / "cookie").read_text()
        pids = procs.marked(cookie)
        assert len(pids) == 4, [procs.title(pid) for pid in pids]
        for pid in pids:
            assert ident.environment(pid)[b"SNAKEPIT_INSTANCE"] == name.encode(), procs.title(pid)
    cold.run("down", "--instance", "blue")
    assert cold.json("reap", "--instance", "blue") == {"orphans": [], "dry_run": False}
    assert cold.pool()["ready"] == 1
    assert cold.run("exec", "ping", "--no-start").returncode == 0
    assert cold.run("exec", "ping", "--no-start", env=blue, check=False).returncode == 69


def test_down_of_all_instances(cold: Pit) -> None:
    for name in ("blue", "green"):
        cold.run("exec", "ping", "-L", name)
    stopped = cold.json("down", "--all")["instances"]
    assert sorted(stopped) == ["blue", "green"]
    for name in ("blue", "green"):
        assert procs.marked((cold.folder / "state" / name / "cookie").read_text()) == []


@pytest.mark.parametrize("name", ["default", "blue"])
def test_every_process_can_be_read_in_ps(cold: Pit, name: str) -> None:
    """The instance in its environment, the role in its command line, from the outside."""
    cold.run("up", "-L", name)
    cookie = (cold.folder / "state" / name / "cookie").read_text()
    titles = {}
    for pid in {cold.json("status", "-L", name)["warden"]["pid"], *procs.marked(cookie)}:
        assert ident.environment(pid).get(b"SNAKEPIT_INSTANCE") == name.encode(), procs.title(pid)
        titles[pid] = procs.title(pid)
        assert name in titles[pid].replace("=", " ").split(), titles[pid]
    roles = ["snakepit_cli.warden", "snakepit_cli.server", "template base", "template default"]
    for role in [*roles, "worker default-1", "worker default-2"]:
        assert len([pid for pid, title in titles.items() if role in title]) == 1, titles


class Orphan:
    """A process that a dead run of the pit could have left."""

    def __init__(self, pit: Pit) -> None:
        env = {"SNAKEPIT_COOKIE": pit.cookie, "SNAKEPIT_RUN": "a run that is over", "SNAKEPIT_INSTANCE": "default"}
        self._process = subprocess.Popen(["/bin/sleep", "600"], env=env, start_new_session=True)
        self.pid = self._process.pid
        wait.until(lambda: self.pid in procs.marked(pit.cookie), "the orphan to be executed")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def orphan(cold: Pit) -> Iterator[Orphan]:
    """Made while a server runs, which must not mind it until it is told to reap."""
    cold.run("exec", "ping")
    one = Orphan(cold)
    yield one
    one.end()


def test_reap_with_no_server_running(cold: Pit, orphan: Orphan) -> None:
    procs.kill(cold.warden or 0)
    wait.until(lambda: cold.processes() == [orphan.pid], "everything but the orphan to end")
    (found,) = cold.json("reap", "--dry-run")["orphans"]
    assert (found["pid"], found["evidence"], found["ended"]) == (orphan.pid, ["environment"], False)
    assert procs.alive(orphan.pid)
    (found,) = cold.json("reap")["orphans"]
    assert (found["pid"], found["ended"]) == (orphan.pid, True)
    assert not procs.alive(orphan.pid)
    assert "nothing to reap" in cold.run("reap").stderr
    assert cold.run("status", check=False).returncode == 3, "reaping starts no server"


def test_reap_while_the_server_runs_spares_what_serves(cold: Pit, orphan: Orphan) -> None:
    serving = [pid for pid in cold.processes() if pid != orphan.pid]
    shown = cold.run("reap", "--dry-run").stdout
    assert str(orphan.pid) in shown
    assert not any(f" {pid} " in shown for pid in serving)
    (found,) = cold.json("reap")["orphans"]
    assert (found["pid"], found["ended"]) == (orphan.pid, True)
    assert all(procs.alive(pid) for pid in serving)
    assert cold.run("exec", "ping").returncode == 0


def test_the_next_server_reaps_before_it_starts(cold: Pit, orphan: Orphan) -> None:
    procs.kill(cold.warden or 0)
    wait.until(lambda: cold.processes() == [orphan.pid], "everything but the orphan to end")
    cold.run("exec", "ping")
    assert not procs.alive(orphan.pid)
    assert f"{orphan.pid}" in cold.log("warden")


def test_down_reaps_when_the_warden_is_dead(cold: Pit, orphan: Orphan) -> None:
    procs.kill(cold.warden or 0)
    wait.until(lambda: cold.processes() == [orphan.pid], "everything but the orphan to end")
    assert "1 orphan reaped" in cold.run("down").stderr
    assert not procs.alive(orphan.pid)


def test_what_workers_leave_behind_ends_with_the_instance(cold: Pit) -> None:
    """A handler starts a daemon, in a session of its own and with a clean environment."""
    name = cold.adapter(
        "import subprocess\n"
        "class Parent:\n"
        "    def execute_start(self):\n"
        "        command = ['setsid', 'sh', '-c', 'sleep 600 >/dev/null & echo $!']\n"
        "        return int(subprocess.run(command, env={'PATH': '/usr/bin:/bin'}, stdout=-1).stdout)\n"
    )
    cold.run("up", "--adapter", name)
    daemon = int(cold.run("exec", "start").stdout)
    assert procs.alive(daemon)
    cold.run("down")
    assert not procs.alive(daemon)


def test_server_verbs(cold: Pit) -> None:
    assert "server running" in cold.run("server", "start").stderr
    first = cold.status()
    assert first["pools"] == []
    cold.run("server", "start")
    assert cold.status()["server"]["pid"] == first["server"]["pid"]
    cold.run("up", "--size", "1")
    cold.run("up", "other", "--size", "1", "--adapter", "showcase")
    assert str(first["server"]["pid"]) in cold.run("server", "restart").stderr
    again = cold.json("server", "status")
    assert again["warden"]["pid"] == first["warden"]["pid"]
    assert again["server"]["pid"] != first["server"]["pid"]
    assert sorted(pool["name"] for pool in again["pools"]) == ["default", "other"]
    cold.until_pool("the pool's size to be the same", size=1, ready=1)
    assert cold.run("exec", "ping", "--pool", "other").returncode == 0
    assert "nothing is left" in cold.run("server", "stop").stderr
    assert cold.run("server", "restart", check=False).returncode == 3
    assert cold.run("server", "status", check=False).returncode == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_server_in_the_foreground(cold: Pit, number: signal.Signals) -> None:
    server = foreground(cold, "server", "run")
    wait.until(lambda: cold.run("status", check=False).returncode == 0, "the server to run")
    # Where there are no cgroups the command is the keeper, and the warden its child.
    warden = psutil.Process(cold.status()["warden"]["pid"])
    assert server.pid in {warden.pid, warden.ppid()}
    second = cold.run("server", "run", check=False)
    assert second.returncode == 75
    assert "already" in second.stderr
    cold.run("exec", "ping", "--no-start")
    os.kill(server.pid, number)
    code, _, err = finish(server)
    assert code == 0, err
    assert cold.processes() == []
