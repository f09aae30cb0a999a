"""cgroup v2: finding our own, and ending everything in one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.warden.burial import cgroups
from snakepit_cli.warden.burial.cgroups import Cgroups
from tests.harness import procs, wait

SECRET = f"the secret of process {os.getpid()}"
MOUNTS = {
    "plain": ("0::/a/b\n", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/a/b"),
    "hybrid": (
        "4:memory:/\n0::/\n",
        "40 25 0:30 / /sys/cg/memory rw - cgroup cgroup rw\n41 25 0:31 / /sys/cg/unified rw - cgroup2 cgroup2 rw\n",
        "/sys/cg/unified",
    ),
    "container": ("0::/box/x\n", "30 25 0:26 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/x"),
    "spaces": ("0::/\n", "30 25 0:26 / /my\\040cgroup rw - cgroup2 cgroup2 rw\n", "/my cgroup"),
    "elsewhere": ("0::/other\n", "30 25 0:26 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", None),
    "outside": ("0::/../x\n", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", None),
    "v1 only": ("4:memory:/\n", "40 25 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", None),
}


@pytest.mark.parametrize(("cgroup", "mounts", "found"), MOUNTS.values(), ids=MOUNTS)
def test_where_our_own_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroup: str, mounts: str, found: str | None
) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    (tmp_path / "mountinfo").write_text(mounts)
    monkeypatch.setattr(cgroups, "_PROC", tmp_path)
    assert cgroups.own_cgroup() == (None if found is None else Path(found))


def test_where_that_of_version_1_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup").write_text("5:cpu,memory:/box/x\n0::/\n")
    (tmp_path / "mountinfo").write_text(
        "40 25 0:30 / /sys/cg/cpu rw - cgroup cgroup rw,cpu\n"
        "41 25 0:31 /box /sys/cg/memory rw - cgroup cgroup rw,memory\n"
    )
    monkeypatch.setattr(cgroups, "_PROC", tmp_path)
    assert cgroups.own_cgroup("memory") == Path("/sys/cg/memory/x")
    assert cgroups.own_cgroup() is None, "version 2 is not mounted"


def test_without_proc_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_PROC", tmp_path / "none")
    assert cgroups.own_cgroup() is None
    made = Cgroups.build(tmp_path, SECRET, "run")
    assert not made.there
    assert made.hold("w-1", os.getpid()) is None
    made.clear()
    made.close(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Cgroups]:
    made = Cgroups.build(tmp_path, SECRET, f"test{os.getpid()}")
    if not made.there:
        pytest.skip("there is no cgroup v2 here that we may write to")
    yield made
    made.close(tmp_path)


DESCENDANT = """
import os, signal, sys
os.read(0, 1)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        os.closerange(0, 3)
        signal.pause()
    os._exit(0)
os.wait()
"""


def test_whatever_hides_in_it_ends_with_it(home: Cgroups, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", DESCENDANT], stdin=-1, stdout=-1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        cage = home.hold("w-1", child.pid)
        assert cage is not None
        child.stdin.write(b"x")
        child.stdin.flush()
        hidden = int(child.stdout.readline())
        child.wait(10)
    assert hidden in set(cgroups.members(cage))
    assert [cage.parent] == cgroups.abandoned(tmp_path, SECRET, "another run")
    assert cgroups.abandoned(tmp_path, SECRET, cage.parent.name.rpartition("-")[2]) == []
    assert cgroups.abandoned(tmp_path, "another secret", "x") == []
    home.leave(cage)
    wait.until(lambda: home.clear() or not cage.exists(), "the cage to be empty")
    assert not procs.alive(hidden)
