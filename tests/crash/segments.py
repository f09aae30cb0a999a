"""Shared memory: what is left of the segments of whoever was killed, and what becomes of answers in a journal."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from snakepit_cli.base import shared_memory
from tests.crash import load
from tests.crash.oracle import Oracle
from tests.crash.segment_users import USERS, User
from tests.harness import procs, wait

ADAPTER = """
import array, os

log = os.open(RAN, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def double_first(data):
    answer = array.array("d")
    answer.frombytes(memoryview(data).cast("B"))
    answer[0] *= 2
    return answer

def backwards(item):
    return item[::-1]

def turned(data):
    return bytes(data)[::-1]

def parts(data):
    for at in range(0, len(data), 500_000):
        yield bytes(data[at : at + 500_000])

def note(item):
    os.write(log, b"%d\\n" % item)
    return item

def ping():
    return "pong"
"""
VICTIMS = ("caller", "command", "worker", "server", "warden", "everything")
_CALLERS = ("one call", "many calls")
_LONGEST = 1.0


def _up(oracle: Oracle, size: int) -> None:
    (oracle.work / "adapter.py").write_text(f"RAN = {str(oracle.work / 'ran')!r}\n{ADAPTER}")
    oracle.configure(f'[pools.default]\nadapter = "{oracle.work}/adapter.py"\nsize = {size}\n')
    oracle.run("up")


# ------------------------------------------------------------------------------------------------ segments


def segments(oracle: Oracle) -> None:
    """Any party is killed amid maps, calls, streams and arrays in segments: none of the dead is left, all is right."""
    # Others on this machine remove what is left in the /dev/shm of all.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", shared_memory.SHARED], check=True)
    _up(oracle, 4)
    folder = shared_memory.folder((oracle.state / "cookie").read_text().strip(), str(oracle.folder / "run"))
    enough = oracle.work / "enough"
    callers = [_caller(oracle, enough, how) for how in _CALLERS]
    # Twenty-four trials in a row have all pairs of victims and commands.
    kind = list(USERS)[oracle.seed // len(VICTIMS) % len(USERS)]
    user: User = USERS[kind](oracle)
    user.begin()
    wait.until(lambda: _files(folder, "client") and _files(folder, "default"), "segments of clients and workers")
    _kill(oracle, folder, [caller.pid for caller in callers], kind, user)
    enough.touch()
    for caller in callers:
        _, err = caller.communicate(timeout=60)
        if caller.returncode > 0:
            oracle.fail(f"a caller has failed: {err.strip()[-400:]}")
    user.finish()
    _until_none_is_left(folder)
    oracle.run("down", "--timeout", "2")
    if folder.exists():
        oracle.fail(f"after the end there are {sorted(os.listdir(folder))}")


def _caller(oracle: Oracle, enough: Path, how: str) -> subprocess.Popen[str]:
    caller = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.caller", str(enough), how], cwd=oracle.work, env=oracle.env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    oracle.clients.append(caller)
    return caller


def _pids(oracle: Oracle, victim: str, callers: list[int], user: User) -> list[int]:
    command = [] if user.pid is None else [user.pid]
    if victim in {"caller", "command"}:
        return [oracle.random.choice(callers)] if victim == "caller" else command
    if victim == "worker":
        return [oracle.random.choice(oracle.json("workers"))["pid"]]
    status = oracle.json("status")
    if victim != "everything":
        return [status[victim]["pid"]]
    return [*oracle.members(), *callers, *command]


def _kill(oracle: Oracle, folder: Path, callers: list[int], kind: str, user: User) -> None:
    victim = VICTIMS[oracle.seed % len(VICTIMS)]
    pids = _pids(oracle, victim, callers, user)
    time.sleep(oracle.random.uniform(0.0, _LONGEST))
    if victim == "command":
        pids = _pids(oracle, victim, callers, user)  # by now it may be another one
    oracle.random.shuffle(pids)
    oracle.count("segments at that time", len(_files(folder)))
    oracle.count(f"{kind} at that time", user.pid is not None)
    for pid in pids:
        procs.kill(pid)
    oracle.count(f"{victim} killed")
    if victim in {"warden", "everything"}:
        wait.until(lambda: not oracle.members(), "everything to end with the warden")
    began = time.monotonic()
    _next_command(oracle, victim, folder)
    oracle.figures["segments gone"] = (time.monotonic() - began) * 1000


def _next_command(oracle: Oracle, victim: str, folder: Path) -> None:
    """After the end of an instance it clears away what is left; before that the server does, as soon as it is told."""
    before = _files(folder).items()
    if victim in {"warden", "everything"}:
        argv = oracle.random.choice((("reap",), ("exec", "ping", "--timeout", "20")))
        oracle.run(*argv)
        # Callers go on, and what they make in the next instance may have the same names.
        if left := before & _files(folder).items():
            oracle.fail(f"after {argv[0]} there are {sorted(left)}")
        return
    oracle.run("exec", "ping", "--timeout", "20")
    _until_none_is_left(folder)


def _files(folder: Path, owner: str = "") -> dict[str, int]:
    """Segments: name → inode."""
    try:
        return {
            one.name: one.inode() for one in os.scandir(folder) if one.name.startswith(owner) and one.name != "lock"
        }
    except FileNotFoundError:
        return {}


def _until_none_is_left(folder: Path) -> None:
    """Owners have their segments open as long as they live."""
    wait.until(lambda: not _left(folder), f"segments of the dead to go: {_left(folder)}", timeout=5.0)


def _left(folder: Path) -> set[str]:
    found = _files(folder)
    opened = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    opened.add(os.readlink(descriptor.path))
    return {name for name in found if f"{folder}/{name}" not in opened}


# ------------------------------------------------------------------------------------------------- journal

_NOTES = 1_000_000
_DEATHS = 6
_TWICE = 1_000
"""Quick items that a worker runs in about a millisecond, and then some."""


def journal(oracle: Oracle) -> None:
    """Workers are killed amid blocks of quick items: one answer for each, and few items have run twice."""
    _up(oracle, 2)
    source = oracle.work / "in.jsonl"
    source.write_text("".join(f"{n}\n" for n in range(_NOTES)))
    run = oracle.start("map", "note", "--input", "in.jsonl", "--output", "out.jsonl", "--retries", "9")
    deaths = _kill_some(oracle, run)
    _, err = run.communicate(timeout=90)
    if run.returncode:
        oracle.fail(f"the map has exited with {run.returncode}: {err.strip()[-400:]}")
    if (oracle.work / "out.jsonl").read_text() != source.read_text():
        oracle.fail("answers are missing, or there twice")
    ran = Counter((oracle.work / "ran").read_text().split())
    twice = ran.total() - len(ran)
    if len(ran) != _NOTES:
        oracle.fail(f"{len(ran)} items have run")
    oracle.count("kills", deaths)
    oracle.count("items run twice", twice)
    oracle.figures["items run twice for a death"] = twice / max(1, deaths)
    if twice > deaths * _TWICE:
        oracle.fail(f"{twice} items have run twice, with {deaths} deaths")


def _kill_some(oracle: Oracle, run: subprocess.Popen[str]) -> int:
    """How many."""
    deaths = 0
    with load.connection() as one:
        while run.poll() is None and deaths < _DEATHS:
            time.sleep(oracle.random.uniform(0.1, 0.4))
            busy = [worker["pid"] for worker in one.query("workers") if worker["state"] == "busy"]
            if run.poll() is None and busy:
                procs.kill(oracle.random.choice(busy))
                deaths += 1
    return deaths
