"""Detects that the kernel killed for lack of memory. It does not say which process: only a counter goes up."""

from __future__ import annotations

from pathlib import Path


class OutOfMemory:
    """Compares the kernel's counter, which is that of the whole machine, with what it was a moment ago.

    Only what it rose by lately, between the last two looks and now, can have been a child of ours.
    """

    def __init__(self) -> None:
        self._seen = self._last = _killed()

    def look(self) -> None:
        """To be called regularly: what was killed before the last look was not a child of ours."""
        self._seen, self._last = max(self._seen, self._last), _killed()

    def happened(self) -> bool:
        """Whether a death was one. Ask when a process that we did not kill died of SIGKILL."""
        if _killed() <= self._seen:
            return False
        self._seen += 1
        return True


def _killed() -> int:
    """How many processes the kernel has killed for lack of memory since it started, in all cgroups."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    except (OSError, ValueError):
        pass
    return 0


def limit() -> int | None:
    """Bytes that our cgroup, which our children share, may use, if that is limited. The dead have none any more."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for file in _limit_files(controllers, path):
            try:
                value = int(file.read_text())
            except (OSError, ValueError):  # "max", or no such file
                continue
            if value < 1 << 60:
                return value
    return None


def _limit_files(controllers: str, path: str) -> list[Path]:
    if "memory" in controllers.split(","):
        return [Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")]
    return [Path(f"{root}{path}/memory.max") for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")]
