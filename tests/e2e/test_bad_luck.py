"""Workers that die, print much, ignore signals or are slow: only their own call suffers."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import RASCAL, finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import Pit

CONFIG = f"""
[pools.default]
adapter = "{RASCAL}"
size = 2
[server]
shared_memory_bytes = 30000000  # a result of 40 MB fits in there no more than in a message
[limits]
cancel_grace = 0.3
"""


@pytest.fixture(scope="module")
def rascals() -> Iterator[Pit]:
    """One instance for tests that at most cost it a worker. Few of them do: with each death in a row, the next
    replacement is longer in coming."""
    with Pit(CONFIG) as one:
        one.run("up")
        yield one


def ready(pit: Pit) -> list[int]:
    """Pids of the workers when all are attached and idle."""
    pit.until_pool("all workers to be idle", ready=2, busy=0, starting=0)
    return [one["pid"] for one in pit.workers()]


@pytest.mark.parametrize(
    ("argv", "how"),
    [
        (["die"], "SIGKILL"), (["die", "number:=11"], "SIGSEGV"), (["leave"], "exited with status 0"),
        (["leave", "status:=7"], "exited with status 7"),
    ],
    ids=["kill", "segv", "exit0", "exit7"],
)  # fmt: skip
def test_a_worker_that_dies_in_a_call_is_replaced(rascals: Pit, argv: list[str], how: str) -> None:
    before, restarts = ready(rascals), rascals.pool()["restarts"]
    done = rascals.run("exec", *argv, check=False)
    assert (done.returncode, done.stdout) == (71, "")
    assert how in done.stderr
    if argv == ["die"]:
        assert "these are my last words" in done.stderr
    assert rascals.run("exec", "nap", "seconds:=0").stdout == '"slept"\n'
    after = ready(rascals)
    assert len(set(after) - set(before)) == 1
    assert rascals.pool()["restarts"] == restarts + 1


def test_a_crash_as_json(rascals: Pit) -> None:
    ready(rascals)
    done = rascals.run("exec", "die", "--json", check=False)
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit"], error["retryable"], done.stderr) == ("worker_crashed", 71, True, "")
    assert error["worker"].startswith("default-")
    assert error["log"] == ["these are my last words"]
    assert "these are my last words" in rascals.run("logs", error["worker"]).stdout


def test_chunks_that_came_before_a_crash_are_not_lost(rascals: Pit) -> None:
    ready(rascals)
    done = rascals.run("stream", "die_after", "chunks:=3", check=False)
    assert (done.returncode, done.stdout) == (71, "0\n1\n2\n")


def test_a_worker_killed_from_outside_while_idle(rascals: Pit) -> None:
    victim = ready(rascals)[0]
    procs.kill(victim)
    wait.until(lambda: victim not in [one["pid"] for one in rascals.workers()], "the death to be noticed")
    assert rascals.run("exec", "nap", "seconds:=0").returncode == 0
    assert victim not in ready(rascals)


def test_a_call_killed_from_outside(rascals: Pit) -> None:
    ready(rascals)
    call = rascals.start("exec", "nap", "seconds:=600", "--timeout", "600")
    rascals.until_pool("the call to run", running=1)
    (victim,) = [one["pid"] for one in rascals.workers() if one["running"]]
    procs.kill(victim)
    code, out, err = finish(call)
    assert (code, out) == (71, "")
    assert "SIGKILL" in err


class TestOutput:
    def test_a_lot_of_it(self, rascals: Pit) -> None:
        """A print can neither block a worker nor fill the disk."""
        before = ready(rascals)
        assert rascals.run("exec", "shout", "megabytes:=300", "--timeout", "60").stdout == "300\n"
        logs = rascals.folder / "state" / "default" / "logs"
        sizes = {path.name: path.stat().st_size for path in logs.iterdir()}
        assert max(sizes.values()) <= 1 << 20, sizes
        assert sum(sizes.values()) < 16 << 20, sizes
        assert ready(rascals) == before
        assert "the last line" in rascals.run("logs").stdout

    def test_the_others_work_meanwhile(self, rascals: Pit) -> None:
        ready(rascals)
        loud = rascals.start("exec", "shout", "megabytes:=100", "--timeout", "60")
        for _ in range(5):
            assert rascals.run("exec", "nap", "seconds:=0").stdout == '"slept"\n'
        assert finish(loud)[:2] == (0, "100\n")

    def test_garbage(self, rascals: Pit) -> None:
        before = ready(rascals)
        assert rascals.run("exec", "garbage").stdout == '"fine"\n'
        shown = rascals.run("logs", errors="replace").stdout
        assert "\x1b" not in shown, "an escape sequence reached the terminal"
        assert ready(rascals) == before

    def test_none_at_all(self) -> None:
        """In an instance of its own: the worker stays, and what it prints later is lost."""
        with Pit(CONFIG.replace("size = 2", "size = 1")) as pit:
            pit.run("up")
            assert pit.run("exec", "mute").stdout == '"fine"\n'
            for _ in range(3):
                assert pit.run("exec", "nap", "seconds:=0").returncode == 0
            assert pit.pool()["restarts"] == 0

    def test_logs_are_followed(self) -> None:
        with Pit(CONFIG) as pit:
            pit.run("up")
            shown = pit.work / "shown"
            with shown.open("w") as file:
                follower = foreground(pit, "logs", "--follow", "-n", "1", stdout=file)
            wait.until(shown.read_text, "what there is already to be shown")
            pit.run("exec", "die", check=False)
            wait.until(lambda: "my last words" in shown.read_text(), "the new line to be shown")
            assert all(line.startswith(("default-", "server ", "warden ")) for line in shown.read_text().splitlines())
            follower.send_signal(signal.SIGINT)
            assert finish(follower)[0] == 130


def test_results_that_cannot_be_sent(rascals: Pit) -> None:
    before = ready(rascals)
    for argv, words in ((["thing"], "object"), (["much", "megabytes:=40"], "Stream it in chunks")):
        done = rascals.run("exec", *argv, check=False)
        assert (done.returncode, done.stdout) == (70, "")
        assert words in done.stderr
        assert rascals.json("exec", *argv, check=False)["error"]["kind"] == "invalid_result"
    assert ready(rascals) == before


class TestTime:
    def test_a_call_that_takes_too_long(self, rascals: Pit) -> None:
        before = ready(rascals)
        done = rascals.run("exec", "nap", "seconds:=600", "--timeout", "0.5", check=False)
        assert (done.returncode, done.stdout) == (124, "")
        assert "timed out after" in done.stderr
        error = rascals.json("exec", "nap", "seconds:=600", "--timeout", "0.5", check=False)["error"]
        assert (error["kind"], error["retryable"]) == ("worker_timeout", True)
        assert ready(rascals) == before, "the handlers gave up and their workers are used again"

    def test_a_stream_that_takes_too_long(self, rascals: Pit) -> None:
        before = ready(rascals)
        note = rascals.work / "drip"
        done = rascals.run("stream", "drip", f"note={note}", "--timeout", "0.5", check=False)
        assert done.returncode == 124
        assert set(done.stdout.splitlines()) == {"1"}
        wait.until(note.exists, "the generator to be closed")
        assert ready(rascals) == before

    @pytest.mark.parametrize("command", ["cling", "grind"])
    def test_a_handler_that_does_not_give_up_is_killed_and_replaced(self, command: str) -> None:
        with Pit(CONFIG) as pit:
            pit.run("up")
            before = ready(pit)
            done = pit.run("exec", command, "--timeout", "0.3", check=False)
            assert (done.returncode, done.stdout) == (124, "")
            wait.until(lambda: any(not procs.alive(pid) for pid in before), "the worker to be killed")
            assert len(set(ready(pit)) & set(before)) == 1
            assert pit.pool()["restarts"] == 1


def test_a_worker_that_always_dies_at_once_is_not_restarted_in_a_frenzy() -> None:
    """Replacements come with growing pauses, then calls are turned away for a while, then one may try."""
    with Pit(CONFIG.replace("size = 2", "size = 1")) as pit:
        pit.run("up")
        began = time.monotonic()
        codes = [pit.run("exec", "leave", "--timeout", "8", check=False).returncode for _ in range(5)]
        assert codes == [71] * 5
        took = time.monotonic() - began
        restarts = pit.pool()["restarts"]
        assert restarts == 5
        assert took > 0.2, "no pause at all"
        assert pit.pool()["breaker"] == "open"
        turned_away = pit.json("exec", "nap", "seconds:=0", check=False)["error"]
        assert (turned_away["kind"], turned_away["exit"]) == ("pool_unavailable", 69)
        wait.until(lambda: pit.run("exec", "nap", "seconds:=0", check=False).returncode == 0, "a call to pass")
        assert pit.pool()["breaker"] == "closed"
