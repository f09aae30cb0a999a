"""Few descriptors, large environments, programs that may not be killed: what is too much fails, by name, and alone."""

from __future__ import annotations

import ctypes
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import procs, wait
from tests.harness.pit import Pit

ADAPTER = """
import os, resource, subprocess
from snakepit_bridge import BaseAdapter, command
class Adapter(BaseAdapter):
    @command
    def limit(self):
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    @command
    def size(self, name):
        return len(os.environ[name])
    @command
    def start_as_another(self):
        files = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        return subprocess.Popen(["sleep", "600"], user=65534, start_new_session=True, **files).pid
"""


def limited(soft: int, hard: int | None = None) -> Callable[[], None]:
    """For `preexec_fn`: hard None keeps it."""
    keep = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard or keep))


def test_a_low_soft_limit_does_not_matter_and_workers_keep_it() -> None:
    with Pit() as pit:
        adapter = pit.adapter(ADAPTER)
        pit.run("up", "many", "--adapter", adapter, "--size", "60", preexec_fn=limited(64))
        assert pit.run("exec", "limit", "--pool", "many").stdout == "64\n"


def test_a_low_hard_limit_fails_only_the_pool_that_is_too_large() -> None:
    with Pit() as pit:
        adapter = pit.adapter(ADAPTER)
        pit.run("up", "few", "--adapter", adapter, "--size", "1", preexec_fn=limited(100, 100))
        before = pit.workers("few")
        done = pit.run("up", "many", "--adapter", adapter, "--size", "80", check=False)
        assert done.returncode != 0
        assert "Too many open files: the limit is 100" in done.stderr
        assert pit.run("exec", "limit", "--pool", "few").stdout == "100\n"
        assert pit.workers("few")[0]["pid"] == before[0]["pid"]
        assert pit.status()["server"]["restarts"] == 0


@pytest.mark.parametrize("size", [100_000, 130_000])
def test_a_large_variable_of_the_caller_reaches_the_workers(size: int) -> None:
    with Pit(PYTHON_X="x" * size) as pit:
        adapter = pit.adapter(ADAPTER)
        pit.run("up", "p", "--adapter", adapter, "--size", "1")
        assert pit.run("exec", "size", "name=PYTHON_X", "--pool", "p").stdout == f"{size}\n"
        pit.run("exec", "size", "name=PYTHON_X", "--pool", "p")
        assert pit.status()["server"]["restarts"] == 0


def test_many_large_variables_of_a_pool() -> None:
    """Together more than a packet holds, each less than the kernel takes."""
    variables = "".join(f'X{number} = "{"x" * 60_000}"\n' for number in range(10))
    with Pit() as pit:
        pit.config.write_text(
            f"[pools.p]\nadapter = '{pit.work / pit.adapter(ADAPTER)}'\nsize = 1\n[pools.p.env]\n{variables}"
        )
        assert pit.run("exec", "size", "name=X9", "--pool", "p").stdout == "60000\n"


def test_a_variable_that_is_too_large_fails_its_pool_by_name() -> None:
    with Pit() as pit:
        adapter = pit.work / pit.adapter(ADAPTER)
        pit.config.write_text(f"[pools.p]\nadapter = '{adapter}'\n[pools.p.env]\nX = \"{'x' * 150_000}\"\n")
        pit.run("up", "other", "--adapter", str(adapter), "--size", "1")
        done = pit.run("exec", "limit", "--pool", "p", check=False)
        assert done.returncode == 78
        assert "the variable X has 150003 bytes" in done.stderr
        pit.run("exec", "limit", "--pool", "other")


libc = ctypes.CDLL(None)


def without_the_right_to_kill() -> None:
    """Root without CAP_KILL may signal processes of root only, as a user only their own. No cgroups, either."""
    assert libc.unshare(0x20000) == 0  # CLONE_NEWNS
    assert libc.mount(b"none", b"/", None, 0x44000, None) == 0  # MS_REC | MS_PRIVATE
    for mount in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in mount:
            libc.umount2(mount.split()[4].encode(), 2)  # MNT_DETACH
    assert libc.prctl(24, 5, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def test_what_may_not_be_killed_is_left_and_everything_else_goes_on() -> None:
    """A handler has started a set-user-id program."""
    with Pit() as pit:

        def run(*words: str) -> str:
            return str(pit.run(*words, preexec_fn=without_the_right_to_kill).stdout)

        adapter = pit.adapter(ADAPTER)
        run("up", "p", "--adapter", adapter, "--size", "1")
        left = int(run("exec", "start_as_another", "--pool", "p"))
        try:
            (worker,) = pit.workers("p")
            procs.kill(worker["pid"], signal.SIGKILL)
            pit.until_pool("a new worker", "p", ready=1, restarts=1)
            assert run("exec", "limit", "--pool", "p")
            run("reap")
            run("down", "p")
            run("up", "p", "--adapter", adapter, "--size", "1")
            assert pit.status()["server"]["restarts"] == 0
            run("down", "--all")
            assert procs.alive(left)
            assert f"pid {left} has not ended" in pit.log("warden")
            run("up", "p", "--adapter", adapter, "--size", "1")
        finally:
            procs.kill(left)
            wait.until(lambda: not procs.alive(left), "it to end")
