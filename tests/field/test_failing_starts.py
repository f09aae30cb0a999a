"""Workers that fail while they start, for every reason: the pool says which, can be ended, and harms no other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import procs, wait
from tests.harness.pit import Pit

ADAPTER = """
import os, time
from snakepit_bridge import BaseAdapter, command
class Adapter(BaseAdapter):
    def initialize(self):
        number = int(os.environ["SNAKEPIT_WORKER_ID"].rpartition("-")[2])
        {how}
    @command
    def where(self):
        return os.getcwd()
"""
FAILS = {
    "exits and raises in turn": "os._exit(3) if number % 2 else 1 / 0",
    "raises": "1 / 0",
    "hangs and raises in turn": "time.sleep(600) if number % 2 else 1 / 0",
}


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit("[pools.other]\nadapter = 'showcase'\nsize = 1\n") as one:
        one.run("up", "other")
        yield one


@pytest.mark.parametrize("how", FAILS.values(), ids=FAILS.keys())
def test_no_worker_is_left_dying(pit: Pit, how: str) -> None:
    """Some are killed while they are born: the failure of the first one is that of all."""
    adapter = pit.adapter(ADAPTER.format(how=how), f"a{len(how)}.py")
    assert pit.run("up", "p", "--adapter", adapter, "--size", "8", check=False).returncode != 0
    wait.until(lambda: not [one for one in pit.workers() if one["pool"] == "p"], "all of them to be buried")
    pit.run("down", "p")
    assert pit.run("exec", "ping", "--pool", "other").returncode == 0


def test_a_pool_that_is_ended_while_it_starts(pit: Pit) -> None:
    adapter = pit.adapter(ADAPTER.format(how="time.sleep(600)"), "slow.py")
    pit.run("up", "p", "--adapter", adapter, "--size", "4", "--no-wait")
    pit.run("down", "p")
    assert [one for one in pit.workers() if one["pool"] == "p"] == []


@pytest.mark.parametrize("reference", ["{adapter}", "exec:cat"])
def test_a_directory_that_has_vanished_is_named(pit: Pit, reference: str) -> None:
    """A worker elsewhere would read and write other files."""
    folder = pit.work / "vanishing"
    folder.mkdir()
    adapter = pit.work / pit.adapter(ADAPTER.format(how="pass"), "here.py")
    pit.run("up", "v", "--adapter", reference.format(adapter=adapter), "--size", "1", cwd=folder)
    (worker,) = [one for one in pit.workers() if one["pool"] == "v"]
    shutil.rmtree(folder)
    procs.kill(worker["pid"])
    pit.until_pool("it to be given up", "v", state="failed")
    done = pit.run("exec", "ping", "text=x", "--pool", "v", check=False)
    assert done.returncode == 69
    assert f"cannot change to {folder}" in done.stderr
    pit.run("down", "v")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(2 << 20))
    return ballast


def test_a_full_disk_at_the_start_is_named(small: Path) -> None:
    with Pit(SNAKEPIT_STATE_DIR=str(small / "state")) as pit:
        ballast = fill(small)
        done = pit.run("exec", "ping", check=False)
        assert done.returncode in {69, 73}
        assert "No space left on device" in done.stderr or "disk is full" in done.stderr
        assert "report" not in done.stderr
        ballast.unlink()
        assert pit.run("exec", "ping").returncode == 0
        pit.run("down", "--all")


def test_a_server_that_dies_while_the_disk_is_full_finds_its_workers_when_there_is_room(small: Path) -> None:
    with Pit(SNAKEPIT_STATE_DIR=str(small / "state")) as pit:
        pit.run("up", "--size", "1")
        (worker,) = pit.workers()
        server = pit.status()["server"]["pid"]
        ballast = fill(small)
        procs.kill(server)
        wait.until(lambda: not procs.alive(server), "the server to die")
        call = pit.start("exec", "ping", "--timeout", "30")
        ballast.unlink()
        _, err = call.communicate(timeout=60)
        assert call.returncode == 0, err
        assert [one["pid"] for one in pit.workers()] == [worker["pid"]]
        assert os.path.exists(small / "state")
        pit.run("down", "--all")
