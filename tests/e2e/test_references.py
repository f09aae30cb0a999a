"""Payloads by reference: input that changes while it is read, and shared memory that is left by nobody."""

from __future__ import annotations

import array
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snakepit_cli.base import shared_memory
from snakepit_cli.base.errors import PitError
from tests.e2e.conftest import finish
from tests.harness import procs, wait
from tests.harness.pit import Pit

ADAPTER = """
import os, time

def gated(item):
    if item == 0:
        open("begun", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
    return item
"""
COUNT = 300_000
"""Lines: more than the client reads before the first is answered."""


@pytest.fixture
def pit() -> Iterator[Pit]:
    with Pit() as one:
        one.run("up", "--adapter", one.adapter(ADAPTER), "--size", "2")
        yield one


def folder(pit: Pit) -> Path:
    return shared_memory.folder(pit.cookie, "/nowhere")


def half_way(pit: Pit, change: Callable[[Path], object]) -> tuple[int, list[str], str]:
    """Exit code, answers and messages of a map whose input is changed after the first item has begun."""
    source = pit.work / "input"
    source.write_text("".join(map("{}\n".format, range(COUNT))))
    command = pit.start("map", "gated", "--input", "input", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait.until((pit.work / "begun").exists, "the first item")
    change(source)
    (pit.work / "go").touch()
    code, out, err = finish(command)
    return code, out.splitlines(), err


def replace(source: Path) -> None:
    other = source.with_name("other")
    other.write_text("another\n" * COUNT)
    other.rename(source)


@pytest.mark.parametrize("change", [Path.unlink, replace], ids=["removed", "replaced"])
def test_input_that_goes_away_is_read_to_its_end(pit: Pit, change: Callable[[Path], object]) -> None:
    code, out, err = half_way(pit, change)
    assert (code, err) == (0, "")
    assert out == [str(n) for n in range(COUNT)]


def cut(source: Path) -> None:
    os.truncate(source, 100_000)


def test_input_that_becomes_shorter_ends_there(pit: Pit) -> None:
    """What has been read is answered, once; nothing dies of the rest."""
    before = {one["pid"] for one in pit.workers()}
    code, out, err = half_way(pit, cut)
    assert code == 66, err
    assert out[:10_000] == [str(n) for n in range(10_000)]
    assert {one["pid"] for one in pit.workers()} == before


def test_shared_memory_is_removed_at_the_end(pit: Pit) -> None:
    place = folder(pit)
    assert (place / "lock").exists()
    pit.run("down")
    assert not place.exists()


@pytest.mark.parametrize("command", [("reap",), ("exec", "gated", "item:=1")], ids=["reap", "exec"])
def test_shared_memory_of_a_killed_instance_is_removed_by_the_next_command(pit: Pit, command: tuple[str, ...]) -> None:
    place, warden = folder(pit), pit.warden
    (place / "default-1-1-1").write_bytes(b"left over")
    assert warden is not None
    os.kill(warden, signal.SIGKILL)
    wait.until(lambda: not procs.alive(warden), "its end")
    pit.run(*command, check=False)  # or another instance that starts meanwhile has done it already
    assert not (place / "default-1-1-1").exists()


def test_a_server_that_is_killed_leaves_no_segments(pit: Pit) -> None:
    place = folder(pit)
    (place / "default-1-1-1").write_bytes(b"left over")
    server = pit.status()["server"]["pid"]
    os.kill(server, signal.SIGKILL)
    pit.run("exec", "gated", "item:=1")
    assert pit.status()["server"]["pid"] != server
    assert [path.name for path in place.iterdir()] == ["lock"]


# ------------------------------------------------------------------------------------------ blocks of a pipe

PIPED = """
import os, time

def gated(item):
    if item.startswith("gate"):
        open("begun", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
    return item
"""
WIDE = [f"{n:0200}" for n in range(60_000)]
GATE = 40_000
"""By then blocks are long."""


def jsonl(items: list[str]) -> str:
    return "".join(map('"{}"\n'.format, items))


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[tuple[Pit, subprocess.Popen[str]]]:
    """A map of a pipe that stops in the middle, with its blocks in shared memory."""
    with Pit() as pit:
        pit.run("up", "--adapter", pit.adapter(PIPED), "--size", "2")
        (pit.work / "input").write_text(jsonl([*WIDE[:GATE], "gate", *WIDE[GATE:]]))
        source = subprocess.Popen(["cat", "input"], cwd=pit.work, stdout=subprocess.PIPE)
        run = pit.start(
            "map", "gated", "--output", "output", "--retries", "1", stdin=source.stdout, stderr=subprocess.PIPE
        )
        assert source.stdout is not None
        source.stdout.close()
        wait.until((pit.work / "begun").exists, "the middle")
        assert any(name.startswith("client") for name in segments_of(pit))
        yield pit, run
        run.kill()
        run.communicate()
        source.wait()


def test_blocks_of_a_pipe_outlive_the_worker_that_read_them(piped: tuple[Pit, subprocess.Popen[str]]) -> None:
    pit, run = piped
    busy = [one["pid"] for one in pit.workers() if one["state"] == "busy"]
    os.kill(busy[0], signal.SIGKILL)
    wait.until(lambda: not procs.alive(busy[0]), "its end")
    (pit.work / "go").touch()
    code, _, err = finish(run)
    assert (code, err) == (0, "")
    assert (pit.work / "output").read_text() == (pit.work / "input").read_text()
    wait.until(lambda: not any(name.startswith("client") for name in segments_of(pit)), "its segments to go")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_map_of_a_pipe_that_is_ended_leaves_no_segments(
    piped: tuple[Pit, subprocess.Popen[str]], number: signal.Signals
) -> None:
    pit, run = piped
    run.send_signal(number)
    finish(run)
    (pit.work / "go").touch()
    wait.until(lambda: not any(name.startswith("client") for name in segments_of(pit)), "its segments to go")
    out = (pit.work / "output").read_text()
    assert jsonl(WIDE[:GATE]).startswith(out)


def test_a_filter_gets_blocks_of_a_pipe_as_bytes() -> None:
    with Pit() as pit:
        pit.run("up", "--adapter", "exec:cat", "--size", "1")
        text = jsonl(WIDE)
        assert pit.run("map", "line", input=text).stdout == text


# ---------------------------------------------------------------------------------- long arguments and results

LARGE = """
import array, os, signal, time

kept = []

def text(size: int):
    return "x" * size

def double(data):
    return array.array("d", [2 * one for one in memoryview(data)])

def keep(data):
    kept.append(data)

def hand_on(data, gate, path):
    if os.fork() == 0:
        while not os.path.exists(gate):
            time.sleep(0.01)
        with open(path + ".new", "w") as file:
            file.write(f"{data[0]} {data[-1]}")
        os.rename(path + ".new", path)
        os._exit(0)

def firsts():
    return [one[0] for one in kept]

def length(data):
    return len(data)

def lengths(data):
    yield len(data)

def die(data):
    os.kill(os.getpid(), signal.SIGKILL)
"""
LENGTH = 200_000
"""Numbers of 8 bytes: long enough for a segment, both ways."""


@pytest.fixture
def large() -> Iterator[Pit]:
    with Pit() as one:
        one.run("up", "--adapter", one.adapter(LARGE), "--size", "1")
        yield one


def numbers(first: float) -> array.array[float]:
    return array.array("d", [first]) * LENGTH


def segments_of(pit: Pit) -> list[str]:
    return sorted(path.name for path in folder(pit).iterdir() if path.name != "lock")


@pytest.mark.parametrize("size", [1_000, 1_000_000, 50_000_000])
def test_a_result_of_any_length_comes_whole(large: Pit, size: int) -> None:
    """The last one fits into no message."""
    assert large.run("exec", "text", f"size:={size}", "--raw").stdout == "x" * size + "\n"
    wait.until(lambda: all("client" not in name for name in segments_of(large)), "the client's to go")


def test_arrays_travel_both_ways_and_their_memory_is_used_again(large: Pit) -> None:
    with large.connection() as connection:
        for first in range(1, 30):
            result = connection.call_value("double", {"data": numbers(first)})
            assert (result[0], len(result)) == (2.0 * first, LENGTH)
            assert len(segments_of(large)) <= 4
        held = [connection.call_value("double", {"data": numbers(first)}) for first in range(5)]
        assert [one[0] for one in held] == [0.0, 2.0, 4.0, 6.0, 8.0], "none was written into while it is used"


def test_what_a_handler_keeps_stays_as_it_was(large: Pit) -> None:
    with large.connection() as connection:
        for first in (1.0, 2.0, 3.0):
            connection.call_value("keep", {"data": numbers(first)})
        assert connection.call_value("firsts") == [1.0, 2.0, 3.0]


def test_what_a_forked_child_reads_stays_as_it_was(large: Pit) -> None:
    gate, found = large.work / "gate", large.work / "found"
    with large.connection() as connection:
        connection.call_value("hand_on", {"data": numbers(1.0), "gate": str(gate), "path": str(found)})
        for first in (2.0, 3.0):
            connection.call_value("length", {"data": numbers(first)})
        gate.touch()
        wait.until(found.exists, "the child's word")
        assert found.read_text() == "1.0 1.0"


def test_a_result_outlives_its_worker_and_its_connection(large: Pit) -> None:
    with large.connection() as connection:
        result = connection.call_value("double", {"data": numbers(4.0)})
        with pytest.raises(PitError) as caught:
            connection.call_value("die", {"data": numbers(5.0)})
        assert caught.value.kind == "worker_crashed"
        assert result[LENGTH - 1] == 8.0
    assert result[LENGTH - 1] == 8.0
    wait.until(lambda: segments_of(large) == [], "all segments to go")


def test_a_client_that_is_killed_leaves_no_segments(large: Pit) -> None:
    script = f"""
import array, os, signal
from snakepit_cli.client.api import Connection
from snakepit_cli.client.connect.find import find
connection = Connection(find("default"))
result = connection.call_value("double", {{"data": array.array("d", [1.0]) * {LENGTH}}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], env=large.env, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    wait.until(lambda: not any(name.startswith("client") for name in segments_of(large)), "its segments to go")


def test_without_room_everything_is_sent_as_bytes() -> None:
    with Pit("[server]\nshared_memory_bytes = 0\n") as pit:
        pit.run("up", "--adapter", pit.adapter(LARGE), "--size", "1")
        with pit.connection() as connection:
            assert connection.call_value("double", {"data": numbers(1.0)})[0] == 2.0
            with pytest.raises(PitError, match="33,") as caught:
                connection.call_value("keep", {"data": numbers(1.0) * 21})
            assert caught.value.kind == "invalid_arguments"
        assert segments_of(pit) == []


def test_arguments_wait_for_room_no_longer_than_their_call_may_take() -> None:
    with Pit("[server]\nshared_memory_bytes = 40000000\nmax_message_bytes = 1000000\n") as pit:
        pit.run("up", "--adapter", pit.adapter(LARGE), "--size", "1")
        with pit.connection() as greedy, pit.connection() as connection:
            assert greedy.query("segments", bytes=25_000_000)["bytes"] == 25_000_000
            with pytest.raises(PitError, match="1,000,000 are allowed"):
                connection.call_value("keep", {"data": numbers(1.0) * 10}, timeout=0.3)
            greedy.close()
            connection.call_value("keep", {"data": numbers(1.0) * 10}, timeout=30)


def test_a_program_that_takes_no_references_gets_the_bytes() -> None:
    with Pit() as pit:
        pit.run("up", "--adapter", "exec:cat", "--size", "1")
        with pit.connection() as connection:
            text = "x" * 2_000_000
            assert connection.call_value("line", {"item": text}) == text


@pytest.mark.parametrize("size", [1 << 20, 50_000_000], ids=["a message could hold it", "no message could"])
@pytest.mark.parametrize(
    ("verb", "name"), [("exec", "length"), ("exec --json", "length"), ("stream", "lengths")], ids=lambda one: one
)
def test_arguments_of_the_command_line_have_any_length(large: Pit, verb: str, name: str, size: int) -> None:
    (large.work / "long").write_bytes(bytes(size))
    assert large.run(*verb.split(), name, "data@=long").stdout == f"{size}\n"
    wait.until(lambda: not any(one.startswith("client") for one in segments_of(large)), "its segment to go")


def test_a_filter_gets_long_arguments_of_the_command_line_as_bytes() -> None:
    with Pit() as pit:
        pit.run("up", "--adapter", "exec:cat", "--size", "1")
        (pit.work / "long").write_text("x" * 2_000_000)
        assert pit.run("exec", "line", "item=@long").stdout == f'"{"x" * 2_000_000}"\n'


def test_long_arguments_without_shared_memory() -> None:
    with Pit("[server]\nshared_memory_bytes = 0\n") as pit:
        pit.run("up", "--adapter", pit.adapter(LARGE), "--size", "1")
        (pit.work / "long").write_bytes(bytes(2_000_000))
        assert pit.run("exec", "length", "data@=long").stdout == "2000000\n"
        (pit.work / "long").write_bytes(bytes(50_000_000))
        refused = pit.run("exec", "length", "data@=long", check=False)
        assert (refused.returncode, refused.stdout) == (65, "")
        assert "max_message_bytes" in refused.stderr


def test_long_arguments_that_wait_for_room_are_given_up_at_once() -> None:
    with Pit("[server]\nshared_memory_bytes = 40000000\nmax_message_bytes = 1000000\n") as pit:
        pit.run("up", "--adapter", pit.adapter(LARGE), "--size", "1")
        (pit.work / "long").write_bytes(bytes(20_000_000))
        with pit.connection() as greedy:
            assert greedy.query("segments", bytes=25_000_000)["bytes"] == 25_000_000
            command = pit.start("exec", "length", "data@=long", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait.until(lambda: greedy.query("status")["connections"] == 2, "its connection")
            command.send_signal(signal.SIGINT)
            code, out, _ = finish(command)
            assert (code, out) == (130, "")
            wait.until(lambda: greedy.query("status")["connections"] == 1, "its connection to go")
        assert pit.run("exec", "length", "data@=long").stdout == "20000000\n"
