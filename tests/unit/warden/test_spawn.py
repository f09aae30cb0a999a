"""Gated spawn: nothing runs before it may, whatever happens to the warden in between."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from snakepit_cli.base import identity as ident
from snakepit_cli.warden.births import spawn
from tests.harness import procs, wait

WITNESS = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('ran')"


@pytest.fixture
def log(tmp_path: Path) -> int:
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def launch(log: int, *argv: str, **env: str) -> spawn.Launch:
    return spawn.Launch(argv, {"PATH": os.environ["PATH"], **env}, "/", log)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_it_waits_at_the_gate_and_runs_when_let_go(tmp_path: Path, log: int) -> None:
    witness = tmp_path / "witness"
    child = spawn.fork(launch(log, sys.executable, "-c", WITNESS, str(witness)))
    wait.until(lambda: os.getsid(child.pid) == child.pid, "it to have its own session")
    assert not witness.exists()
    child.open()
    assert exit_code(child.pid) == 0
    assert witness.read_text() == "ran"


def test_it_never_runs_when_it_is_refused(tmp_path: Path, log: int) -> None:
    witness = tmp_path / "witness"
    child = spawn.fork(launch(log, sys.executable, "-c", WITNESS, str(witness)))
    child.refuse()
    assert exit_code(child.pid) == spawn.NEVER_RAN
    assert not witness.exists()


def test_the_child_collects_no_garbage(tmp_path: Path, log: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finalizer of the parent's objects may wait for a thread that the child does not have."""
    collected, parent, fork = tmp_path / "collected", os.getpid(), os.fork

    def fork_in_a_crowd() -> int:
        pid = fork()
        if pid == 0:
            [[] for _ in range(1_000_000)]  # many times what makes the interpreter collect
        return pid

    def note(_phase: str, _info: dict[str, int]) -> None:
        if os.getpid() != parent:
            collected.touch()

    monkeypatch.setattr(os, "fork", fork_in_a_crowd)
    gc.callbacks.append(note)
    try:
        child = spawn.fork(launch(log, "/bin/true"))
    finally:
        gc.callbacks.remove(note)
    child.open()
    assert exit_code(child.pid) == 0
    assert not collected.exists()
    assert gc.isenabled()


PARENT = """
import os, sys
from snakepit_cli.warden.births import spawn
log = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
note = spawn.Launch(["/bin/sh", "-c", "echo ran >> $W"], {"W": sys.argv[2]}, "/", log)
children = [spawn.fork(note) for _ in range(3)]
if sys.argv[3] == "run":
    children = [spawn.fork(spawn.Launch(["/bin/sleep", "600"], {}, "/", log)) for _ in range(3)]
    [child.open() for child in children]
print(*[child.pid for child in children], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("phase", ["gate", "run"])
def test_no_child_outlives_a_killed_warden(tmp_path: Path, phase: str) -> None:
    witness = tmp_path / "witness"
    argv = [sys.executable, "-c", PARENT, str(tmp_path / "log"), str(witness), phase]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(procs.alive(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    wait.until(lambda: not any(procs.alive(pid) for pid in pids), "the children to be gone")
    assert not witness.exists()


@pytest.mark.parametrize(
    ("program", "status"),
    [("/nonexistent/program", spawn.NOT_FOUND), ("/etc/passwd", spawn.NOT_EXECUTABLE)],
)
def test_a_program_that_cannot_be_executed_is_told_apart(log: int, program: str, status: int) -> None:
    child = spawn.fork(launch(log, program))
    child.open()
    assert exit_code(child.pid) == status
    assert f"cannot execute {program}" in os.pread(log, 1000, 0).decode()


def test_it_inherits_what_it_was_given_and_nothing_else(tmp_path: Path, log: int) -> None:
    read, write = os.pipe()
    stray = os.open("/dev/null", os.O_RDONLY)
    os.write(write, b"secret")
    os.close(write)
    script = (
        "import os; print(os.read(int(os.environ['TOKEN_FD']), 99), sorted(map(int, os.listdir('/proc/self/fd'))), "
        "os.getsid(0) == os.getpid())"
    )
    given = spawn.Launch([sys.executable, "-c", script], {}, "/", log, {"TOKEN_FD": read})
    child = spawn.fork(given)
    child.open()
    assert exit_code(child.pid) == 0
    said = os.pread(log, 1000, 0).decode()
    assert said.startswith("b'secret' ")
    assert said.strip().endswith("True")
    fds = eval(said[said.index("[") : said.index("]") + 1])
    assert len(fds) == 5, "0, 1, 2, the token, and the directory being listed"
    os.close(read)
    os.close(stray)


def test_a_child_has_an_identity_before_it_runs(log: int) -> None:
    child = spawn.fork(launch(log, "/bin/true"))
    assert ident.identify(child.pid) is not None
    child.refuse()
    exit_code(child.pid)


def test_what_one_does_to_a_shared_pipe_does_not_reach_the_others(log: int) -> None:
    """Some runtimes make every pipe that they read non-blocking."""
    read, write = os.pipe()
    script = "import os; os.set_blocking(int(os.environ['LIFELINE_FD']), False)"
    child = spawn.fork(spawn.Launch([sys.executable, "-c", script], {}, "/", log, {"LIFELINE_FD": read}))
    child.open()
    assert exit_code(child.pid) == 0
    assert os.get_blocking(read)
    os.close(read)
    os.close(write)
