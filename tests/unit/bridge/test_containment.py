"""A PID namespace for a forked worker, with root and without."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bridge.processes import PYTHON, environment

SCRIPT = """
import ctypes, json, os, signal, sys, time
from snakepit_bridge import containment

uid, what = int(sys.argv[1]), sys.argv[2]
if os.geteuid() != uid:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after an exec: /proc/self is its own
if what == "refused":
    class Kernel(ctypes.CDLL):
        def unshare(self, flags):
            ctypes.set_errno(1)
            return -1
    containment.ctypes.CDLL = Kernel
if what == "term":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
lifeline, _ = os.pipe()
containment.enter(lifeline)
if what == "breed":
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(3600)
            os._exit(0)
        os.wait()
seen = [name for name in os.listdir("/proc") if name.isdigit()]
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
facts = {"pid": os.getpid(), "uid": os.geteuid(), "seen": len(seen), "group": os.getpgrp()}
print(json.dumps({**facts, "able": status["CapPrm"].strip()}), flush=True)
if what == "crash":
    ctypes.string_at(0)
elif what == "exit":
    os._exit(7)
time.sleep(3600)
"""
MINE = os.geteuid()
USERS = (0, 65534) if MINE == 0 else (MINE,)


@contextlib.contextmanager
def started(uid: int, what: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [PYTHON, "-c", SCRIPT, str(uid), what], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd="/",
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()
    found: dict[str, Any] = json.loads(line)
    return found


def child(pid: int) -> int:
    (found,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found)


@pytest.mark.parametrize("uid", USERS)
def test_it_is_the_first_process_and_sees_only_its_own(uid: int) -> None:
    with started(uid, "exit") as process:
        facts = said(process)
        able = int(facts.pop("able"), 16)
        assert facts == {"pid": 1, "uid": uid, "seen": 1, "group": 1}
        assert uid == 0 or able == 0, "what the user namespace allows is given up"
        process.communicate(timeout=15)
        assert process.returncode == 7


@pytest.mark.parametrize("uid", USERS)
@pytest.mark.parametrize(
    ("what", "end", "code"),
    [
        ("term", lambda outside: os.kill(outside, signal.SIGTERM), 3),
        ("killed", lambda outside: os.kill(child(outside), signal.SIGKILL), -signal.SIGKILL),
        ("crash", None, -signal.SIGSEGV),
    ],
    ids=["term", "killed", "crash"],
)
def test_the_process_outside_ends_as_the_worker_does(
    uid: int, what: str, end: Callable[[int], None] | None, code: int
) -> None:
    with started(uid, what) as process:
        said(process)
        if end is not None:
            end(process.pid)
        process.communicate(timeout=15)
        assert process.returncode == code


@pytest.mark.parametrize("uid", USERS)
def test_everything_ends_with_the_process_outside(uid: int) -> None:
    with started(uid, "breed") as process:
        assert said(process)["seen"] == 4
        process.kill()
        # They hold the other end of its output: its end is theirs.
        process.communicate(timeout=15)
        assert process.returncode == -signal.SIGKILL


def test_a_kernel_that_refuses_is_named() -> None:
    with started(MINE, "refused") as process:
        assert process.communicate(timeout=15) == (
            "",
            "snakepit_bridge: strict containment: unshare: Operation not permitted\n",
        )
