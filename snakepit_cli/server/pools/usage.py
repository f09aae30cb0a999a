"""Processor time and memory of workers, each with all its descendants: a child may do the work.

Reads /proc, so it is for threads, not for the event loop. A process that is gone counts as nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATES = {
    "R": "running", "S": "sleeping", "D": "waiting for a disk", "Z": "a zombie", "T": "stopped", "t": "being traced",
    "X": "dead", "I": "idle",
}  # fmt: skip


def cpu_seconds(pids: Iterable[int]) -> dict[int, float]:
    """Processor time of all their threads, by the worker's pid."""
    return {pid: sum(_cpu(one) for one in members) for pid, members in _families(pids)}


def resident(pids: Iterable[int]) -> dict[int, int | None]:
    """Bytes, by the worker's pid; None for one that is gone."""
    return {pid: sum(_resident(one) for one in members) or None for pid, members in _families(pids)}


def state(pid: int) -> str:
    """Its state in one word, as `ps` has it."""
    fields = _stat(pid)
    return _STATES.get(fields[0], fields[0]) if fields else "gone"


def _cpu(pid: int) -> float:
    """With the time of children that it has waited for."""
    fields = _stat(pid)
    return sum(int(one) for one in fields[11:15]) / _TICKS if fields else 0.0


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _stat(pid: int) -> list[str]:
    """Fields from the state on; empty when it is gone. The name before them may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii", "replace").split()
    except OSError:
        return []


def _families(pids: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
    parents: dict[int, list[int]] | None = None
    for pid in pids:
        members, at = [pid], 0
        while at < len(members):
            children = _children(members[at])
            if children is None:  # this kernel does not tell: the table is made once, for all
                parents = _table() if parents is None else parents
                children = parents.get(members[at], [])
            members += [one for one in children if one not in members]
            at += 1
        yield pid, members


def _children(pid: int) -> list[int] | None:
    """None when the kernel has no such file."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += [int(one) for one in file.read().split()]
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{thread}"):
                return None
        except OSError:
            pass
    return found


def _table() -> dict[int, list[int]]:
    """Parent → children, of all processes."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            found.setdefault(int(fields[1]), []).append(int(name))
    return found
