"""Payloads by reference: input that changes while it is read, and shared memory that is left by nobody."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snakepit_cli.base import shared_memory
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
    code, out, _ = half_way(pit, cut)
    assert code in {0, 3}  # the cut may be in the middle of a number
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
    said = pit.run(*command, check=False).stdout
    assert not (place / "default-1-1-1").exists()
    assert command != ("reap",) or place.name in said


def test_a_server_that_is_killed_leaves_no_segments(pit: Pit) -> None:
    place = folder(pit)
    (place / "default-1-1-1").write_bytes(b"left over")
    server = pit.status()["server"]["pid"]
    os.kill(server, signal.SIGKILL)
    pit.run("exec", "gated", "item:=1")
    assert pit.status()["server"]["pid"] != server
    assert [path.name for path in place.iterdir()] == ["lock"]
