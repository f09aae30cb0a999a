"""Shared memory: what is left of the segments of whoever was killed, and what becomes of answers in a journal."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from snakepit_cli.base import shared_memory
from tests.crash import load
from tests.crash.oracle import Oracle
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

def note(item):
    os.write(log, b"%d\\n" % item)
    return item

def ping():
    return "pong"
"""
VICTIMS = ("caller", "map", "worker", "server", "warden", "everything")
_CALLERS = 2
_ITEMS = 200_000
_PAD = "x" * 200
_LONGEST = 1.0


def _up(oracle: Oracle, size: int) -> None:
    (oracle.work / "adapter.py").write_text(f"RAN = {str(oracle.work / 'ran')!r}\n{ADAPTER}")
    oracle.configure(f'[pools.default]\nadapter = "{oracle.work}/adapter.py"\nsize = {size}\n')
    oracle.run("up")


# ------------------------------------------------------------------------------------------------ segments


def segments(oracle: Oracle) -> None:
    """Any party is killed while payloads are in segments: none of the dead is left, and each item has its answer."""
    # Others on this machine remove what is left in the /dev/shm of all.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", shared_memory.SHARED], check=True)
    _up(oracle, 4)
    folder = shared_memory.folder((oracle.state / "cookie").read_text().strip(), str(oracle.folder / "run"))
    source, enough = oracle.work / "in.jsonl", oracle.work / "enough"
    source.write_text("".join(f'"{n}{_PAD}"\n' for n in range(_ITEMS)))
    callers = [_caller(oracle, enough) for _ in range(_CALLERS)]
    run = oracle.start("--no-start", *_MAP, "--joblog", "log")
    wait.until(lambda: _names(folder, "client") and _names(folder, "default"), "segments of clients and workers")
    wait.until(lambda: _size(oracle.work / "out.jsonl"), "the first answers")
    _kill(oracle, folder, [caller.pid for caller in callers], run)
    enough.touch()
    for caller in callers:
        _, err = caller.communicate(timeout=60)
        if caller.returncode > 0:
            oracle.fail(f"a caller has failed: {err.strip()[-400:]}")
    _finish(oracle, run)
    _check(oracle)
    _until_none_is_left(folder)
    oracle.run("down", "--timeout", "2")
    if folder.exists():
        oracle.fail(f"after the end there are {sorted(os.listdir(folder))}")


_MAP = ("map", "backwards", "--input", "in.jsonl", "--output", "out.jsonl", "--retries", "9")


def _caller(oracle: Oracle, enough: Path) -> subprocess.Popen[str]:
    caller = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.caller", str(enough)], cwd=oracle.work, env=oracle.env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    oracle.clients.append(caller)
    return caller


def _pids(oracle: Oracle, victim: str, callers: list[int], run: int) -> list[int]:
    if victim in {"caller", "map"}:
        return callers[:1] if victim == "caller" else [run]
    if victim == "worker":
        return [oracle.random.choice(oracle.json("workers"))["pid"]]
    status = oracle.json("status")
    if victim != "everything":
        return [status[victim]["pid"]]
    return [*oracle.members(), *callers, run]


def _kill(oracle: Oracle, folder: Path, callers: list[int], run: subprocess.Popen[str]) -> None:
    victim = VICTIMS[oracle.seed % len(VICTIMS)]
    pids = _pids(oracle, victim, callers, run.pid)
    oracle.random.shuffle(pids)
    time.sleep(oracle.random.uniform(0.0, _LONGEST))
    oracle.count("segments at that time", len(_names(folder)))
    oracle.count("maps at that time", run.poll() is None)
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
    before = _names(folder)
    if victim in {"warden", "everything"}:
        argv = oracle.random.choice((("reap",), ("exec", "ping", "--timeout", "20")))
        oracle.run(*argv)
        if left := before & _names(folder):
            oracle.fail(f"after {argv[0]} there are {sorted(left)}")
        return
    oracle.run("exec", "ping", "--timeout", "20")
    _until_none_is_left(folder)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _names(folder: Path, owner: str = "") -> set[str]:
    try:
        return {name for name in os.listdir(folder) if name.startswith(owner) and name != "lock"}
    except FileNotFoundError:
        return set()


def _until_none_is_left(folder: Path) -> None:
    """Owners have their segments open as long as they live."""
    wait.until(lambda: not _left(folder), f"segments of the dead to go: {_left(folder)}", timeout=5.0)


def _left(folder: Path) -> set[str]:
    found = _names(folder)
    opened = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    opened.add(os.readlink(descriptor.path))
    return {name for name in found if f"{folder}/{name}" not in opened}


def _finish(oracle: Oracle, run: subprocess.Popen[str]) -> None:
    """The map: to its end, or, where it has ended early, on from where its joblog says."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.communicate(timeout=60)
    if run.poll() is None:
        oracle.fail("the map hangs")
    elif run.returncode:
        oracle.count("maps continued")
        oracle.run(*_MAP, "--joblog", "log", "--resume-failed")


def _check(oracle: Oracle) -> None:
    with (oracle.work / "out.jsonl").open() as answers:
        lines = [json.loads(line) for line in answers]
    wanted = [f"{n}{_PAD}"[::-1] for n in range(_ITEMS)]
    if lines != wanted:
        wrong = next((n for n, (one, other) in enumerate(zip(lines, wanted, strict=False)) if one != other), -1)
        oracle.fail(f"{len(lines)} answers; the first wrong one is line {wrong + 1}: {lines[wrong]!r}")


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
