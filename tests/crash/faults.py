"""Death, a stop, an error or a pause at every named place and at the n-th system call."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time

from snakepit_cli.base import identity as ident
from snakepit_cli.base.errors import KINDS
from snakepit_cli.base.failpoints import POINTS
from tests.crash import load
from tests.crash.oracle import Oracle
from tests.crash.strangers import plant
from tests.harness import procs, wait

ACTIONS = ("kill", "stop", "eio", "sleep:0.3")
CASES = [(point, action) for point in POINTS for action in ACTIONS]
_CONFIG = '[pools.default]\nadapter = "keeper.py"\nsize = 2\n'
_PATIENCE = 60.0
SYSCALLS = {"clone": 4, "fdatasync": 18, "pwrite64": 45, "write": 55}
"""System call → how many times, at most, a warden makes it between its start and its end in `syscalls`."""
DEATHS = [("execve", 1), *((name, n) for n in range(1, max(SYSCALLS.values()) + 1) for name in SYSCALLS)]
DEATHS = [(name, n) for name, n in DEATHS if n <= SYSCALLS.get(name, n)]


def _configured(oracle: Oracle) -> None:
    load.adapters(oracle)
    oracle.configure(_CONFIG.replace("keeper.py", str(oracle.work / "keeper.py")))


# ------------------------------------------------------------------------------------------------ the gate


def gate(oracle: Oracle) -> None:
    """The warden stops between fork and commit, and is killed there: what it had forked has run nothing."""
    load.adapters(oracle)
    point = oracle.random.choice(["warden.after-fork", "warden.before-commit"])
    at = oracle.random.choice([1, 2, 3, 4, 4, 4])  # server, base, template of the pool, its workers
    up = oracle.start(
        "up", "cold", "--adapter", "cold.py", "--size", "2", SNAKEPIT_FAILPOINT=f"{point}=stop@{at}"
    )  # fmt: skip
    warden = wait.until(lambda: next((pid for pid in oracle.members() if _state(pid) == "T"), 0), "the warden to stop")
    deadline = time.monotonic() + 1.0
    while not oracle.witnesses() - oracle.registered() and time.monotonic() < deadline:
        time.sleep(0.02)
    procs.kill(warden)
    up.kill()
    up.communicate()
    oracle.until_no_process("everything gone")
    oracle.check_witnesses()
    oracle.run("exec", "ping")


def _state(pid: int) -> str:
    found = ident.stat(pid)
    return found.state if found else "X"


# --------------------------------------------------------------------------------------------- failpoints


class _Waker(threading.Thread):
    """A stopped process goes on after a while, or is killed: in real life, too, none stays stopped without end."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__(daemon=True)
        self._oracle = oracle
        self._pause = oracle.random.uniform(0.2, 4.0)
        self._number = oracle.random.choice([signal.SIGCONT, signal.SIGKILL])
        self.over = threading.Event()

    def run(self) -> None:
        since: dict[int, float] = {}
        while not self.over.wait(0.02):
            for pid in [pid for pid in self._oracle.members() if _state(pid) == "T"]:
                if time.monotonic() - since.setdefault(pid, time.monotonic()) > self._pause:
                    procs.kill(pid, self._number)
                    self._oracle.count(f"woken by {self._number.name}")
                    since.pop(pid)


def failpoints(oracle: Oracle) -> None:
    """One place and one fault per trial, through start, calls, stop and reap: answers or named errors, nothing left."""
    point, action = CASES[oracle.seed % len(CASES)]
    armed = f"{point}={action}@{oracle.random.choice([1, 1, 2, 3])}"
    oracle.count(f"{point}={action}")
    _configured(oracle)
    plant(oracle, "before")
    waker = _Waker(oracle)
    waker.start()
    for argv in (["exec", "ping", "--timeout", "15"], ["exec", "ping", "--timeout", "15"], ["down", "--timeout", "2"]):
        _answered(oracle, armed, *argv)
    plant(oracle, "after")
    _answered(oracle, armed, "reap")
    _recovered(oracle)
    waker.over.set()
    waker.join()


def _answered(oracle: Oracle, armed: str, *argv: str, **env: str) -> None:
    """An answer, or an error of the table as JSON."""
    out = oracle.run(*argv, "--json", wanted=None, patience=_PATIENCE, SNAKEPIT_FAILPOINT=armed, **env)
    try:
        said = json.loads(out)
    except ValueError:
        oracle.fail(f"{argv} with {armed} has printed {out[-200:]!r}")
        return
    if isinstance(said, dict) and "error" in said:
        kind = said["error"]["kind"]
        oracle.count(f"error {kind}")
        # An I/O error out of nowhere is a bug by definition; nothing else is.
        if kind not in KINDS or (kind == "internal" and "eio" not in armed):
            oracle.fail(f"{argv} with {armed}: {kind}: {said['error']['message']}")


def _recovered(oracle: Oracle) -> None:
    """The fault is gone: what it left is cleared away, and a new instance works."""
    oracle.run("down", "--timeout", "2", wanted=None)
    oracle.run("reap")
    wait.until(lambda: not oracle.members(), f"no process to be left, but there is {oracle.members()}", timeout=3.0)
    oracle.check_witnesses()
    oracle.run("exec", "ping", "--timeout", "20")


# ------------------------------------------------------------------------------------------------ syscalls


def syscalls(oracle: Oracle) -> None:
    """The warden is killed at its n-th clone, fdatasync, pwrite64 or write; its children at their execve."""
    name, number = DEATHS[oracle.seed % len(DEATHS)]
    oracle.count(f"{name} {number}")
    _configured(oracle)
    if name == "execve":
        _children_die(oracle)
        return
    traced = {"PYTHON_STRACE": f"{name}:signal=KILL:when={number}"}
    _answered(oracle, "", "exec", "ping", "--timeout", "15", **traced)
    _answered(oracle, "", "down", "--timeout", "2", **traced)
    if (log := oracle.state / "logs" / "warden.log").exists() and "nothing is left" in log.read_text():
        oracle.count("not reached")
    wait.until(lambda: not oracle.members(), "every process to be gone", timeout=3.0)
    oracle.check_witnesses()
    oracle.run("exec", "ping", "--timeout", "20")
    oracle.check_registry()


def _children_die(oracle: Oracle) -> None:
    """Every child of the warden is killed as it executes; when that ends, the pool can be started."""
    oracle.run("exec", "ping")
    warden = oracle.json("status")["warden"]["pid"]
    strace = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=execve", "-e", "inject=execve:signal=KILL:when=1",
         "-p", str(warden)],
    )  # fmt: skip
    try:
        wait.until(lambda: _tracer(warden) == strace.pid, "strace to attach")
        _answered(oracle, "", "up", "cold", "--adapter", "cold.py", "--size", "2", "--timeout", "10")
    finally:
        strace.terminate()
        strace.wait(10)
    oracle.run("up", "cold", "--adapter", "cold.py", "--size", "2")
    oracle.run("exec", "ping", "--pool", "cold")
    oracle.check_witnesses()


def _tracer(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("TracerPid"))
