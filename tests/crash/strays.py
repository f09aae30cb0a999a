"""What workers leave behind: descendants that have done everything to get away."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from snakepit_cli.base import identity as ident
from tests.crash.oracle import Oracle
from tests.harness import machine, procs, wait

_STRAYS = 31
_SOON = 2.0
COLD = """
import threading, time
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()  # no template forks it
"""
ADAPTER = """
import os, signal, time

class Breeder:
    def execute_breed(self, n):
        for _ in range(n):
            middle = os.fork()
            if middle == 0:
                os.setsid()
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    os.closerange(0, 256)
                    os.execve("/bin/sleep", ["sleep", "3600"], {})
                os._exit(0)
            os.waitpid(middle, 0)
        return n
"""

HELPERS = """
import os, subprocess, sys

ENDLESS = "import os\\nwhile True:\\n    if os.fork(): os._exit(0)\\n    os.setsid()"

class Helped:
    def execute_start(self, endless):
        deaf = ["/bin/bash", "-c", "trap '' TERM; sleep 3602 & wait"]
        for _ in range(3):
            subprocess.Popen(["sleep", "3600"])
            subprocess.Popen(["sleep", "3600"], start_new_session=True)
            subprocess.Popen(["setsid", "-f", "sleep", "3600"])
            subprocess.Popen(deaf, start_new_session=True, env={})
        if endless:
            subprocess.Popen([sys.executable, "-c", ENDLESS], start_new_session=True)

    def execute_helpers(self):
        subprocess.Popen(["setsid", "-f", "sleep", "3601"]).wait()

    def execute_ping(self):
        return "pong"
"""
"""Plain helpers, ones in sessions of their own, daemons, ones that hide; and one that forks without a pause."""


def strays(oracle: Oracle) -> None:
    """31 descendants: forked twice, own sessions, nothing open, no environment, deaf to SIGTERM; `down` ends them."""
    _breed(oracle)
    oracle.run("down", "--timeout", "2")


def lost_strays(oracle: Oracle) -> None:
    """The same when warden and keeper are killed in one instant: only the cgroup still tells whose they are."""
    _breed(oracle)
    warden = oracle.json("status")["warden"]["pid"]
    found = ident.stat(warden)
    assert found is not None
    for pid in (found.ppid, warden):
        os.kill(pid, signal.SIGSTOP)  # so that neither sees the other's end
    for pid in (found.ppid, warden):
        procs.kill(pid)
    wait.until(lambda: len(oracle.members()) == _STRAYS, "what depends on the warden to end")
    oracle.run("reap")
    if left := _sleeping(oracle):
        oracle.fail(f"{left} descendants are left")


def kept(oracle: Oracle) -> None:
    """The warden is killed where there are no cgroups: whatever handlers have started ends with it."""
    _hide_cgroups(oracle)
    _kept(oracle)


def kept_with_cgroups(oracle: Oracle) -> None:
    """The same where there are cgroups, if this machine has them."""
    _kept(oracle)


def _kept(oracle: Oracle) -> None:
    _start_helpers(oracle)
    warden = oracle.json("status")["warden"]["pid"]
    procs.kill(warden)
    oracle.until_no_process("everything gone")
    oracle.check_registry()
    oracle.run("exec", "ping", "--pool", "other")


def lost_keeper(oracle: Oracle) -> None:
    """The keeper is killed: the warden ends everything while it still can."""
    _hide_cgroups(oracle)
    _start_helpers(oracle)
    keeper = ident.stat(oracle.json("status")["warden"]["pid"])
    assert keeper is not None
    procs.kill(keeper.ppid)
    oracle.until_no_process("everything gone", limit=20.0)
    oracle.run("exec", "ping", "--pool", "other")


def helpers(oracle: Oracle) -> None:
    """Workers are killed, end by themselves, or are restarted: what each has started ends with it, and no more."""
    _hide_cgroups(oracle)
    _start_helpers(oracle)
    oracle.run("exec", "helpers", "--pool", "other")
    alive = {pid for pid, title in oracle.members().items() if title.startswith("sleep 3601")}
    worker = next(one for one in oracle.json("workers") if one["pool"] == "default")
    if oracle.random.random() < 0.5:
        procs.kill(worker["pid"])
    else:
        oracle.run("restart", "default")
    deadline = time.monotonic() + _SOON * machine.slowness()
    while (left := _helping(oracle)) and time.monotonic() < deadline:
        time.sleep(0.01)
    if left:
        oracle.fail(f"helpers of a dead worker are left: {left}")
    if gone := alive - oracle.members().keys():
        oracle.fail(f"helpers of a living worker have ended: {gone}")


def _helping(oracle: Oracle) -> dict[int, str]:
    """Helpers of the worker of the default pool, except those that have stripped themselves of its mark."""
    return {pid: title for pid, title in oracle.members().items() if title.startswith("sleep 3600")}


def _hide_cgroups(oracle: Oracle) -> None:
    """As on a machine where we may not write to them. The trial has a mount namespace of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/fs/cgroup"], check=True)


def _start_helpers(oracle: Oracle) -> None:
    """Two pools, the first with helpers of all kinds."""
    adapter = oracle.work / "helped.py"
    adapter.write_text(HELPERS)
    oracle.configure("".join(f'[pools.{name}]\nadapter = "{adapter}"\nsize = 1\n' for name in ("default", "other")))
    oracle.run("exec", "start", f"endless:={int(oracle.random.random() < 0.5)}")
    oracle.run("exec", "ping", "--pool", "other")


def strict_strays(oracle: Oracle) -> None:
    """The same in a pool with strict containment: they end with their worker, whatever else is there to end them."""
    _breed(oracle, 'contain = "strict"', cold=oracle.random.random() < 0.5)
    status, [worker] = oracle.json("status"), oracle.json("workers")
    os.kill(status["warden"]["pid"], signal.SIGSTOP)  # so that it cannot help
    procs.kill(worker["pid"])
    deadline = time.monotonic() + _SOON * machine.slowness()
    while _sleeping(oracle) and time.monotonic() < deadline:
        time.sleep(0.01)
    if left := _sleeping(oracle):
        oracle.fail(f"{left} descendants are left")
    os.kill(status["warden"]["pid"], signal.SIGCONT)


def _breed(oracle: Oracle, more: str = "", *, cold: bool = True) -> None:
    adapter = oracle.work / "breeder.py"
    adapter.write_text((COLD if cold else "") + ADAPTER)
    oracle.configure(f'[pools.default]\nadapter = "{adapter}"\nsize = 1\n{more}\n')
    oracle.run("exec", "breed", f"n:={_STRAYS}")
    wait.until(lambda: _sleeping(oracle) == _STRAYS, "all of them to execute")


def _sleeping(oracle: Oracle) -> int:
    return sum(title.startswith("sleep") for title in oracle.members().values())
