"""Starting processes with as little of our own cost as possible, and reading what they weigh."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

MEGABYTE = 1024.0
"""In the kernel's unit, KiB."""


class BenchmarkError(Exception):
    """Something that is measured did not work; the text says what."""


def whole(argv: list[str], env: Mapping[str, str], *, output: str = os.devnull, errors: str = os.devnull) -> float:
    """Seconds from before the start of a process until its end was seen. Raises BenchmarkError unless it exits 0."""
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, writing, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, errors, writing, 0o600),
    ]
    started = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=files)
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        said = Path(errors).read_text(errors="replace") if errors != os.devnull else ""
        raise BenchmarkError(f"{' '.join(argv)}: exit {code}\n{said}")
    return seconds


def proportional(pid: int) -> float:
    """Proportional set size in MiB: private memory plus a fair share of what is shared with others."""
    return _memory(pid, "Pss:")


def anonymous(pid: int) -> float:
    """Its own memory in MiB, without files: what others do does not change it."""
    return _memory(pid, "Anonymous:")


def _memory(pid: int, kind: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) / MEGABYTE
    raise BenchmarkError(f"the kernel does not tell the memory of process {pid}")
