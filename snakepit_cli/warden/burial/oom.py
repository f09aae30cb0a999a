"""Detects that the kernel killed for lack of memory. It does not say which process: only a counter goes up.

The counter of our own memory cgroup, where there is one: our children are in it, and little else. Otherwise that of the
whole machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from snakepit_cli.warden.burial.cgroups import own_cgroup

_MACHINE = Path("/proc/vmstat")


class OutOfMemory:
    """Compares the counter with what it was a moment ago: only what it rose by lately can have been a child of ours."""

    def __init__(self) -> None:
        self._source, self._last = _killed()
        self._seen = self._last

    def look(self) -> None:
        """To be called regularly: what was killed before the last look was not a child of ours."""
        source, count = _killed()
        # The warden may be moved to another cgroup, which has a counter of its own.
        self._seen = max(self._seen, self._last) if source == self._source else count
        self._source, self._last = source, count

    def happened(self) -> bool:
        """Whether a death was one. Ask when a process that we did not kill died of SIGKILL."""
        source, count = _killed()
        if source != self._source or count <= self._seen:
            return False
        self._seen += 1
        return True


def _killed() -> tuple[Path, int]:
    """A counter, and how many processes the kernel has killed for lack of memory where it counts."""
    for file in (*_files("memory.events", "memory.oom_control"), _MACHINE):
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return file, int(value)
    return _MACHINE, 0


def limit() -> int | None:
    """Bytes that our cgroup, which our children share, may use, if that is limited. The dead have none any more."""
    for file in _files("memory.max", "memory.limit_in_bytes"):
        try:
            value = int(file.read_text())
        except (OSError, ValueError):  # "max", or no such file
            continue
        if value < 1 << 60:
            return value
    return None


def _files(name: str, old_name: str) -> Iterator[Path]:
    """Of our memory cgroup, by its name in version 2 and in version 1. They need not be there."""
    for folder, file in ((own_cgroup(), name), (own_cgroup("memory"), old_name)):
        if folder is not None:
            yield folder / file
