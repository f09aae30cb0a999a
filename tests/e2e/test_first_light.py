"""The first commands on a machine where nothing runs, and what they leave running."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from snakepit_cli import __version__
from snakepit_cli.base import identity as ident
from tests.e2e.conftest import SMALL, finish
from tests.harness import procs, wait
from tests.harness.pit import COMMAND, ROOT, Pit


def test_one_command_starts_everything(cold: Pit) -> None:
    done = cold.run("exec", "ping", "message=hello")
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["message"]) == ("pong", "hello")
    assert abs(answer["timestamp"] - time.time()) < 60
    assert done.stderr == ""
    pool = cold.until_pool("both workers to be attached", ready=2)
    assert (pool["state"], pool["size"], pool["adapter"]) == ("open", 2, "showcase")
    assert cold.status()["idle_exit"] > 0


def test_without_configuration_there_are_two_workers_for_each_processor(cold: Pit) -> None:
    cold.config.write_text("")
    assert cold.json("up")["size"] == 2 * (os.cpu_count() or 1)


def test_up_returns_when_the_workers_are_attached(cold: Pit) -> None:
    assert cold.json("up")["changed"] is True
    assert cold.pool()["ready"] == 2
    assert cold.status()["idle_exit"] is None


def test_up_again_changes_nothing(warm: Pit) -> None:
    before = warm.processes()
    again = warm.json("up")
    assert (again["changed"], again["ready"]) == (False, 2)
    assert "already" in warm.run("up").stderr
    assert warm.processes() == before


def test_up_changes_the_size(cold: Pit) -> None:
    assert cold.json("up", "--size", "1")["ready"] == 1
    assert cold.json("up", "--size", "3")["ready"] == 3
    assert cold.json("up")["size"] == 3
    assert cold.json("up", "--size", "1")["size"] == 1
    cold.until_pool("the others to be gone", ready=1)
    wait.until(lambda: len(cold.json("workers")) == 1, "the list of workers to show it")


def test_up_without_waiting(cold: Pit) -> None:
    assert cold.json("up", "--no-wait")["size"] == 2
    cold.until_pool("the workers to be attached", ready=2)


def test_status_as_json(warm: Pit) -> None:
    status = warm.status()
    assert (status["instance"], status["version"]) == ("default", __version__)
    assert procs.alive(status["warden"]["pid"])
    assert procs.alive(status["server"]["pid"])
    assert status["server"]["restarts"] == 0
    assert status["uptime"] >= status["server"]["uptime"] > 0
    assert "lifeline" in status["containment"]
    (pool,) = status["pools"]
    for figure in ("size", "ready", "busy", "queued", "running", "requests", "errors", "restarts"):
        assert isinstance(pool[figure], int), figure
    assert (pool["name"], pool["start"], pool["note"], pool["reason"]) == ("default", "template", None, None)


def test_status_in_words(warm: Pit) -> None:
    shown = warm.run("status").stdout
    assert f"version {__version__}" in shown
    assert str(warm.warden) in shown
    assert "2/2" in shown


def test_status_when_nothing_runs(cold: Pit) -> None:
    done = cold.run("status", check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no server is running" in done.stderr
    assert cold.json("status", check=False)["error"]["kind"] == "not_running"
    assert cold.run("workers", check=False).returncode == 3
    assert cold.processes() == []


def test_workers(warm: Pit) -> None:
    workers = warm.json("workers")
    assert [one["id"] for one in workers] == ["default-1", "default-2"]
    for one in workers:
        assert procs.alive(one["pid"])
        assert (one["pool"], one["state"], one["running"]) == ("default", "idle", 0)
        assert one["memory"] > 1 << 20
    shown = warm.run("workers").stdout
    assert all(one["id"] in shown and str(one["pid"]) in shown for one in workers)


def test_commands(warm: Pit) -> None:
    found = warm.json("commands")
    assert (found["pool"], found["adapter"]) == ("default", "showcase")
    assert {"ping", "echo", "compute", "ping_stream"} <= {one["name"] for one in found["commands"]}
    assert "ping_stream" in warm.run("commands").stdout


def test_the_main_job(warm: Pit) -> None:
    assert json.loads(warm.run("exec", "compute", "operation=multiply", "a:=7", "b:=6").stdout)["result"] == 42
    assert warm.run("exec", "echo", "a:=1.50", "--field", "a").stdout == "1.5\n"
    chunks = warm.run("stream", "ping_stream", "count:=3").stdout.splitlines()
    assert [json.loads(chunk)["ping"] for chunk in chunks] == [1, 2, 3]


def test_file_names_are_meant_from_where_the_caller_is(warm: Pit) -> None:
    (warm.work / "table.csv").write_text("a,b\n1,x\n2,y\n")
    last = warm.run("stream", "process_large_dataset", "file_path=table.csv").stdout.splitlines()[-1]
    assert json.loads(last)["processed_rows"] == 2


def test_logs(warm: Pit) -> None:
    assert "warden started" in warm.run("logs").stdout
    assert "warden started" in warm.run("logs", "warden").stdout
    missing = warm.run("logs", "default-99", check=False)
    assert missing.returncode == 66
    assert "default-99" in missing.stderr


def test_no_start_starts_nothing(cold: Pit) -> None:
    done = cold.run("exec", "ping", "--no-start", check=False)
    assert (done.returncode, done.stdout) == (69, "")
    assert "snakepit up" in done.stderr
    assert cold.json("exec", "ping", "--no-start", check=False)["error"]["kind"] == "unavailable"
    assert cold.processes() == []


def test_thirty_two_first_commands_start_one_warden(cold: Pit) -> None:
    commands = [cold.start("exec", "echo", f"n:={n}") for n in range(32)]
    answers = [finish(command) for command in commands]
    assert [code for code, _, _ in answers] == [0] * 32, answers
    assert [json.loads(out)["n"] for _, out, _ in answers] == list(range(32))
    assert cold.log("warden").count("warden started") == 1
    running = [pid for pid in _wardens(cold) if "snakepit_cli.warden run" in procs.title(pid)]
    keepers = [pid for pid in running if Path(f"/proc/{pid}/comm").read_text().strip() == "snakepit-keeper"]
    assert (len(running), len(keepers)) == (2, 1)


def _wardens(pit: Pit) -> list[int]:
    """Wardens of this pit, also any that it would not know of."""
    state = str(pit.folder / "state").encode()
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [
        pid for pid in pids
        if ident.environment(pid).get(b"SNAKEPIT_STATE_DIR") == state and "snakepit_cli.warden" in procs.title(pid)
    ]  # fmt: skip


@pytest.mark.parametrize("script", ['"$@" up | cat', 'out=$("$@" up 2>&1); echo "$out"'], ids=["pipe", "substitution"])
def test_a_shell_that_waits_for_its_end_is_not_kept_waiting(cold: Pit, script: str) -> None:
    done = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND], cwd=cold.work, env=cold.env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "2 workers ready" in done.stdout + done.stderr
    assert cold.pool()["ready"] == 2


def test_the_daemon_holds_no_descriptor_of_the_caller(cold: Pit) -> None:
    reader, writer = os.pipe()
    cold.run("up", pass_fds=[writer])
    os.close(writer)
    os.set_blocking(reader, False)
    assert os.read(reader, 1) == b""  # the end; it would block if anybody held the other side
    os.close(reader)
    assert cold.pool()["ready"] == 2


def test_without_home_and_terminal(cold: Pit) -> None:
    env = {name: value for name, value in cold.env.items() if name not in {"HOME", "LANG", "LC_ALL"}}
    done = cold.run("exec", "ping", env=env, start_new_session=True)
    assert json.loads(done.stdout)["status"] == "pong"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount")
def test_in_a_bare_container(tmp_path: Path) -> None:
    """No setting at all, a home that does not exist, a fresh /tmp."""
    # The checkout may itself be below /tmp: it is put back.
    script = 'mount --bind "$0" /mnt && mount -t tmpfs tmpfs /tmp && mkdir -p "$0" && mount --bind /mnt "$0"'
    script += ' && "$@" exec ping && "$@" status --json && "$@" down'
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(ROOT), *COMMAND],
        cwd="/", env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer, status = map(json.loads, done.stdout.splitlines())
    assert answer["status"] == "pong"
    assert not procs.alive(status["warden"]["pid"])


def test_a_server_that_nobody_uses_ends_by_itself() -> None:
    with Pit(SMALL + "[server]\nidle_timeout = 0.5\n") as pit:
        pit.run("exec", "ping")
        first = pit.warden
        wait.until(lambda: pit.processes() == [], "the instance to end")
        pit.run("exec", "ping")
        assert pit.warden != first


def test_a_server_that_up_has_started_stays() -> None:
    with Pit(SMALL + "[server]\nidle_timeout = 0.2\n") as pit:
        pit.run("up")
        assert pit.status()["idle_exit"] is None
        wait.until(lambda: pit.status()["uptime"] > 1.5, "several idle timeouts to pass")
        assert pit.pool()["ready"] == 2


@pytest.mark.parametrize(
    ("argv", "words"),
    [(["--version"], __version__), (["--help"], "snakepit exec ping"), (["exec", "--help"], "key=@file")],
)
def test_version_and_help(argv: list[str], words: str) -> None:
    done = subprocess.run([*COMMAND, *argv], capture_output=True, text=True, timeout=60, check=True)
    assert words in done.stdout
