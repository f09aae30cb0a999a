"""Processes that have the pid of one of ours, and are not."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from snakepit_cli.base import identity as ident
from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.records.store import Registry
from tests.crash.oracle import Oracle
from tests.harness import procs, wait

_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
_BOOT = "/proc/sys/kernel/random/boot_id"
_TICKS = 0.03
"""Seconds: start times have a resolution of 10 ms."""


def plant(oracle: Oracle, name: str) -> subprocess.Popen[bytes]:
    """An orphan of a dead run: it carries the cookie. Not the oracle's own, so it has to be reaped."""
    oracle.run("reap")  # makes the directories and the cookie
    cookie = (oracle.state / "cookie").read_text()
    orphan = subprocess.Popen(["sleep", "3600"], env={"SNAKEPIT_COOKIE": cookie, "SNAKEPIT_RUN": f"dead-{name}"})
    wait.until(lambda: b"SNAKEPIT_RUN" in ident.environment(orphan.pid), "the orphan to execute")
    return orphan


def register(oracle: Oracle, *identities: Identity) -> None:
    """Rows of a dead run."""
    registry = Registry(oracle.state / "registry.db")
    names = [f"dead-{number}" for number in range(len(identities))]
    registry.reserve("dead-run", "worker", names)
    registry.bind(zip(names, identities, strict=True))
    registry.close()


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "3600"])


def _reuse(oracle: Oracle, pid: int) -> None:
    """A foreign process gets this free pid."""
    while True:
        _LAST_PID.write_text(str(pid - 1))
        stranger = _sleeper()
        if stranger.pid == pid:
            break
        stranger.kill()
        stranger.wait()
    oracle.decoys.adopt(stranger)


def _identity(pid: int) -> Identity:
    found = ident.identify(pid)
    assert found is not None
    return found


def _end(process: subprocess.Popen[bytes]) -> int:
    process.kill()
    process.wait()
    return process.pid


def pid_reuse(oracle: Oracle) -> None:
    """A foreign process gets the pid of one of ours, before we look or between look and signal: it is left alone."""
    _reused_before(oracle)
    _reused_between(oracle)


def _reused_before(oracle: Oracle) -> None:
    oracle.run("reap")
    victim = _sleeper()
    register(oracle, _identity(victim.pid))
    time.sleep(_TICKS)  # a pid is not reused within one tick but by force
    _reuse(oracle, _end(victim))
    oracle.run("reap")


def _reused_between(oracle: Oracle) -> None:
    orphan = plant(oracle, "between")
    register(oracle, _identity(orphan.pid))
    reaper = oracle.start("reap", SNAKEPIT_FAILPOINT="reap.verified=stop")

    def stopped() -> list[int]:
        return [pid for pid in oracle.members() if (found := ident.stat(pid)) and found.state == "T"]

    (waiting,) = wait.until(stopped, "the reaper to stop between look and signal")
    _reuse(oracle, _end(orphan))
    procs.kill(waiting, signal.SIGCONT)
    _, err = reaper.communicate(timeout=30)
    if reaper.returncode:
        oracle.fail(f"reap: exit {reaper.returncode}: {err[-300:]}")


def reboot(oracle: Oracle) -> None:
    """After a reboot foreign processes have pid and start time of ours: they are left alone."""
    oracle.run("reap")
    chosen = oracle.random.sample(oracle.decoys.pids, 5)
    register(oracle, *(_identity(pid) for pid in chosen))
    other = oracle.folder / "boot_id"
    other.write_text(f"00000000-0000-4000-8000-{oracle.random.randrange(1 << 48):012x}\n")
    # In the mount namespace of this trial only.
    subprocess.run(["mount", "--bind", other, _BOOT], check=True)
    oracle.run("reap")
    subprocess.run(["umount", _BOOT], check=True)
    registry = Registry(oracle.state / "registry.db")
    if left := list(registry.records()):
        oracle.fail(f"{len(left)} rows of before the reboot are still there")
    registry.close()
