"""A worker that the kernel kills for lack of memory is named, with the limit, and replaced."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import wait
from tests.harness.pit import COMMAND, Pit

MEBI = 1 << 20
ADAPTER = """
from snakepit_bridge import command

class Hungry:
    @command
    def eat(self, mebibytes: int) -> int:
        return len(bytearray(b"x") * (mebibytes << 20))
"""


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup of 100 MiB, of whichever version this machine has."""
    old = Path("/sys/fs/cgroup/memory")
    folder = (old if old.is_dir() else Path("/sys/fs/cgroup")) / f"snakepit-test-{os.getpid()}"
    folder.mkdir()
    (folder / ("memory.limit_in_bytes" if old.is_dir() else "memory.max")).write_text(str(100 * MEBI))
    yield folder
    wait.until(lambda: not (folder / "cgroup.procs").read_text(), "its processes to end")
    folder.rmdir()


def test_it_is_named_with_the_limit(pit: Pit, cgroup: Path) -> None:
    into = 'echo $$ > "$0" && exec "$@"'
    start = ["sh", "-c", into, str(cgroup / "cgroup.procs"), *COMMAND, "server", "start"]
    subprocess.run(start, env=pit.env, cwd=pit.work, check=True)
    pit.run("up", "--adapter", pit.adapter(ADAPTER), "--size", "1")
    worker = pit.workers()[0]
    done = pit.run("exec", "eat", "mebibytes:=400", "--json", check=False)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["kind"], error["worker"]) == (71, "worker_oom", worker["id"])
    assert "100 MiB" in error["message"]
    assert pit.run("exec", "eat", "mebibytes:=1").stdout == f"{MEBI}\n", "a new worker"
    pit.run("down")


def test_a_plain_kill_is_no_such_thing(pit: Pit) -> None:
    pit.run("up", "--adapter", pit.adapter("import os\nclass A:\n    def execute_die(self): os.kill(os.getpid(), 9)\n"))
    done = pit.run("exec", "die", "--json", check=False)
    assert json.loads(done.stdout)["error"]["kind"] == "worker_crashed"
