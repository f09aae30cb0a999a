"""Streams that are left to themselves: begun, tailed, waited for, given up, and what survives."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import PUPPETS, finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import COMMAND, Pit

CONFIG = f'[pools.default]\nsize = 2\nadapter = "{PUPPETS / "streamer.py"}"\n'


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        one.run("up")
        yield one


def detached(pit: Pit, *argv: str) -> str:
    return pit.run("stream", *argv, "--detach").stdout.strip()


def facts(pit: Pit, name: str) -> dict[str, object]:
    return next(one for one in pit.json("streams", "--json") if one["id"] == name)


def go(pit: Pit, gate: str) -> None:
    (pit.work / gate).touch()


def test_it_runs_by_itself_and_is_read_afterwards_as_often_as_wanted(pit: Pit) -> None:
    name = detached(pit, "count", "n:=5")
    pit.run("wait", name)
    whole = "".join(f'{{"n":{n}}}\n' for n in range(5))
    assert [pit.run("tail", name).stdout for _ in range(2)] == [whole, whole]
    assert pit.run("tail", name, "--from", "3").stdout == '{"n":3}\n{"n":4}\n'
    assert pit.run("tail", name, "--from", "end").stdout == ""
    assert pit.run("tail", name, "--field", "n").stdout == "0\n1\n2\n3\n4\n"
    row = facts(pit, name)
    assert (row["state"], row["chunks"], row["command"]) == ("done", 5, "count")
    assert name in pit.run("streams").stdout


def test_several_read_it_from_its_first_chunk_while_it_grows(pit: Pit) -> None:
    name = detached(pit, "gated", f"gate={pit.work}/g1")
    readers = [pit.start("tail", name) for _ in range(3)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == '"before"\n'
    assert facts(pit, name)["state"] == "running"
    go(pit, "g1")
    assert [reader.communicate(timeout=20)[0] for reader in readers] == ['"after"\n'] * 3


def test_the_exit_code_of_a_stream_that_fails(pit: Pit) -> None:
    name = detached(pit, "breaks")
    waited = pit.run("wait", name, check=False)
    assert waited.returncode == 1
    assert "ValueError: enough" in waited.stderr
    tailed = pit.run("tail", name, check=False)
    assert (tailed.returncode, tailed.stdout) == (1, "1\n")
    assert facts(pit, name)["state"] == "failed"


def test_waiting_has_an_end_and_cancel_ends_the_work(pit: Pit) -> None:
    name = detached(pit, "gated", f"gate={pit.work}/never")
    late = pit.run("wait", name, "--timeout", "100ms", check=False)
    assert (late.returncode, name in late.stderr) == (124, True)
    assert "cancelled" in pit.run("cancel", name).stderr
    assert pit.run("wait", name, check=False).returncode == 130
    assert facts(pit, name)["state"] == "cancelled"
    assert "was over already" in pit.run("cancel", name).stderr
    pit.until_pool("the worker to be free", busy=0)


def test_any_call_is_cancelled_by_its_number(pit: Pit) -> None:
    with pit.start("stream", "gated", f"gate={pit.work}/never") as call:
        assert call.stdout is not None
        call.stdout.readline()
        number = pit.json("explain", "--json")["call"]
        pit.run("cancel", str(number))
        assert call.wait(20) == 130


def test_leaving_a_tail_hurts_nobody(pit: Pit) -> None:
    name = detached(pit, "gated", f"gate={pit.work}/g2")
    reader = foreground(pit, "tail", name)
    assert reader.stdout is not None
    reader.stdout.readline()
    reader.send_signal(signal.SIGINT)
    code, _, said = finish(reader)
    assert code == 130
    assert "left it running" in said
    assert facts(pit, name)["state"] == "running"
    go(pit, "g2")
    pit.run("wait", name)


def test_a_closed_terminal_hurts_nobody(pit: Pit) -> None:
    """The whole session of a terminal that is closed gets a SIGHUP."""
    primary, secondary = pty.openpty()
    shell = subprocess.Popen(
        [*COMMAND, "stream", "gated", f"gate={pit.work}/g3", "--detach"], cwd=pit.work, env=pit.env,
        stdin=secondary, stdout=secondary, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    name = os.read(primary, 100).decode().strip()
    shell.wait(20)
    os.close(secondary)
    os.close(primary)
    go(pit, "g3")
    pit.run("wait", name)


def test_several_are_tailed_together(pit: Pit) -> None:
    names = [detached(pit, "count", "n:=3"), detached(pit, "breaks")]
    done = pit.run("tail", *names, "--progress", check=False)
    assert done.returncode == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["chunk"] for row in rows if row["stream"] == names[0]] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert [row["chunk"] for row in rows if row["stream"] == names[1]] == [1]


def test_a_stopped_reader_slows_only_itself(pit: Pit) -> None:
    name = detached(pit, "much", "n:=300000")
    with pit.start("tail", name) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        reader.send_signal(signal.SIGSTOP)
        pit.run("wait", name, "--timeout", "60")
        assert pit.run("tail", name, "--from", "299999").stdout.count("\n") == 1
        reader.send_signal(signal.SIGCONT)
        assert reader.stdout.read().count("\n") == 299_999


def test_a_name_that_is_none(pit: Pit) -> None:
    for verb in ("tail", "wait", "cancel"):
        done = pit.run(verb, "s-nope", check=False)
        assert done.returncode == 2
        assert "no stream 's-nope'" in done.stderr
    assert pit.run("tail", check=False).returncode == 2
    assert pit.run("tail", "x", "--from", "-3", check=False).returncode == 2


def test_what_is_spooled_survives_the_server_and_what_ran_says_so() -> None:
    with Pit(CONFIG) as pit:
        pit.run("up")
        done, running = detached(pit, "count", "n:=3"), detached(pit, "gated", f"gate={pit.work}/never")
        pit.run("wait", done)
        wait.until(lambda: facts(pit, running)["chunks"] == 1, "the first chunk")
        with pit.start("tail", running) as reader:
            assert reader.stdout is not None
            reader.stdout.readline()
            procs.kill(pit.status()["server"]["pid"])
            assert reader.wait(20) == 71
        assert pit.run("tail", done).stdout.count("\n") == 3
        lost = pit.run("tail", running, check=False)
        assert (lost.returncode, lost.stdout) == (71, '"before"\n')
        assert "the server ended while the stream ran" in lost.stderr
        pit.run("down")
        assert pit.run("tail", done).stdout.count("\n") == 3


def test_a_removed_file_is_named(pit: Pit) -> None:
    name = detached(pit, "count", "n:=3")
    pit.run("wait", name)
    [path] = list(pit.folder.rglob(f"{name}.lines"))
    path.unlink()
    done = pit.run("tail", name, check=False)
    assert (done.returncode, "its file has been removed" in done.stderr) == (74, True)
