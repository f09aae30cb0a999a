"""A client that goes away, by Ctrl-C, a signal, or because its reader went away: the work stops, the worker stays."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import RASCAL, finish, foreground, until_running
from tests.harness import procs, wait
from tests.harness.pit import COMMAND, Pit

CONFIG = f'[pools.default]\nadapter = "{RASCAL}"\nsize = 1\n[limits]\nqueue_timeout = 60\ncancel_grace = 1.0\n'
LONG = ("--timeout", "600")


@pytest.fixture(scope="module")
def rascal() -> Iterator[Pit]:
    """A single worker: when it is not free, the next call cannot be answered."""
    with Pit(CONFIG) as one:
        one.run("up")
        yield one


@pytest.fixture
def worker(rascal: Pit) -> Iterator[int]:
    """Its pid. Afterwards it must be the same, idle and willing."""
    rascal.until_pool("the worker to be idle", ready=1, busy=0)
    (before,) = rascal.workers()
    yield before["pid"]
    rascal.until_pool("the worker to be free again", ready=1, busy=0, running=0)
    assert rascal.run("exec", "pid").stdout == f"{before['pid']}\n"


@pytest.mark.parametrize("path", [[], ["--color", "never"]], ids=["fast", "full"])
def test_ctrl_c_during_exec(rascal: Pit, worker: int, path: list[str]) -> None:
    call = foreground(rascal, "exec", "nap", "seconds:=600", *LONG, *path)
    until_running(rascal, call)
    call.send_signal(signal.SIGINT)
    code, out, err = finish(call)
    assert (code, out) == (130, "")
    assert "cancelling" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("path", [[], ["--color", "never"]], ids=["fast", "full"])
def test_ctrl_c_during_stream(rascal: Pit, worker: int, path: list[str]) -> None:
    note = rascal.work / f"drip-{len(path)}"
    call = foreground(rascal, "stream", "drip", f"note={note}", *LONG, *path)
    assert call.stdout is not None
    assert call.stdout.readline() == "1\n", finish(call)
    call.send_signal(signal.SIGINT)
    code, out, err = finish(call)
    assert code == 130
    assert set(out.splitlines()) <= {"1"}
    assert "Traceback" not in err
    wait.until(note.exists, "the generator to be closed")


def test_ctrl_c_in_the_queue(rascal: Pit, worker: int) -> None:
    running = rascal.start("exec", "nap", "seconds:=600", *LONG)
    rascal.until_pool("the call to run", running=1)
    waiting = foreground(rascal, "exec", "nap", "seconds:=600", *LONG)
    rascal.until_pool("the other to wait", queued=1)
    waiting.send_signal(signal.SIGINT)
    assert finish(waiting)[0] == 130
    assert rascal.pool()["running"] == 1
    running.kill()
    finish(running)


def test_ctrl_c_with_a_progress_bar(rascal: Pit, worker: int) -> None:
    call = foreground(rascal, "stream", "drip", f"note={rascal.work / 'bar'}", "--progress", "plain", *LONG)
    until_running(rascal, call)
    call.send_signal(signal.SIGINT)
    code, _, err = finish(call)
    assert code == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("verb", ["exec", "stream"])
def test_a_client_that_is_killed(rascal: Pit, worker: int, verb: str, number: signal.Signals) -> None:
    argv = ["nap", "seconds:=600"] if verb == "exec" else ["flood"]
    call = rascal.start(verb, *argv, *LONG)
    until_running(rascal, call)
    call.send_signal(number)
    assert finish(call)[0] in {-number, 128 + number}


def test_a_handler_that_clings_is_killed_after_the_grace(rascal: Pit) -> None:
    rascal.until_pool("the worker to be idle", ready=1, busy=0)
    (before,) = rascal.workers()
    call = foreground(rascal, "exec", "cling", *LONG)
    until_running(rascal, call)
    call.send_signal(signal.SIGINT)
    assert finish(call)[:2] == (130, "")
    wait.until(lambda: not procs.alive(before["pid"]), "the worker to be killed")
    assert int(rascal.run("exec", "pid").stdout) != before["pid"]


@pytest.mark.parametrize("command", ["count n:=3000000", "flood"], ids=["finite", "endless"])
def test_a_reader_that_has_had_enough(rascal: Pit, worker: int, command: str) -> None:
    script = f'"$@" stream {command} --timeout 600 | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND], cwd=rascal.work, env=rascal.env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    first, status = done.stdout.splitlines()
    assert first in {"0", '"' + "x" * 1000 + '"'}
    assert status == "141"
    assert done.stderr == ""


def test_a_reader_that_is_slow_slows_the_worker(rascal: Pit, worker: int) -> None:
    """No process grows while its output is not read."""
    call = rascal.start("stream", "flood", *LONG)
    assert call.stdout is not None
    call.stdout.readline()
    server = rascal.status()["server"]["pid"]
    busy = -1.0

    def at_rest() -> bool:
        nonlocal busy
        before, busy = busy, _cpu_seconds(worker)
        rascal.pool()  # takes its time, in which the worker would have worked
        return busy == before

    wait.until(at_rest, "the generator to pause")
    sizes = {name: _resident(pid) for name, pid in (("server", server), ("worker", worker), ("client", call.pid))}
    assert max(sizes.values()) < 120 << 20, sizes
    assert len(call.stdout.readline()) == 1003
    call.kill()
    finish(call)


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return float(fields[11]) + float(fields[12])


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize(
    "argv",
    [["exec", "pid"], ["exec", "pid", "--json"], ["stream", "flood"], ["status"], ["status", "--json"], ["logs"]],
    ids=" ".join,
)  # fmt: skip
def test_a_full_disk_is_named(rascal: Pit, worker: int, argv: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = rascal.run(*argv, check=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 74
    assert "No space left on device" in done.stderr
    assert "hint: make room" in done.stderr


def test_closed_standard_streams(rascal: Pit, worker: int) -> None:
    for closed in ("0<&-", "2>&-", "0<&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'"$@" exec pid {closed}', "sh", *COMMAND], cwd=rascal.work, env=rascal.env,
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout == f"{worker}\n"


def test_the_first_command_may_have_closed_standard_streams() -> None:
    with Pit(CONFIG) as pit:
        done = subprocess.run(
            ["sh", "-c", '"$@" exec nap seconds:=0 0<&- 2>&-', "sh", *COMMAND], cwd=pit.work, env=pit.env,
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout == '"slept"\n'


def test_ctrl_c_while_the_server_starts(cold: Pit) -> None:
    """The next command finds things as they should be, whenever it was."""
    call = foreground(cold, "exec", "ping")
    wait.until((cold.folder / "state" / "default" / "lock").exists, "the warden to start")
    call.send_signal(signal.SIGINT)
    code, _, err = finish(call)
    assert code in {0, 130}
    assert "Traceback" not in err
    assert cold.run("exec", "ping").returncode == 0
    assert cold.log("warden").count("warden started") == 1
