"""The peer for pools: as many Python processes, started cold and side by side, that import what a worker needs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.processes import BenchmarkError

NAME = "python -c 'import grpc'"
_SCRIPT = "import sys, grpc; sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read()"


@dataclass(frozen=True)
class Crowd:
    pids: list[int]
    seconds: float
    """From before the first was started until all have said that they are ready."""


@contextmanager
def crowd(python: str, size: int) -> Iterator[Crowd]:
    started = time.perf_counter()
    members: list[subprocess.Popen[bytes]] = []
    try:
        members.extend(_member(python) for _ in range(size))
        for member in members:
            _await(member)
        yield Crowd([member.pid for member in members], time.perf_counter() - started)
    finally:
        for member in members:
            member.kill()
            member.communicate()


def _member(python: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([python, "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _await(member: subprocess.Popen[bytes]) -> None:
    """Until it is ready. Raises BenchmarkError."""
    if member.stdout is None or member.stdout.readline() != b"ready\n":
        raise BenchmarkError(f"{NAME} failed")
