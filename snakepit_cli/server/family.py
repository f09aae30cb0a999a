"""What a worker and everything that it has started use: a worker may leave the work, or itself, to a child."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psutil


def cpu_seconds(pid: int) -> float:
    """Of all their threads; 0 when they are gone, which the warden will report."""
    return sum(_of(one, lambda process: sum(process.cpu_times()[:2])) for one in _members(pid))


def resident(pid: int) -> int | None:
    """Bytes; None when it is gone."""
    return sum(int(_of(one, lambda process: process.memory_info().rss)) for one in _members(pid)) or None


def _members(pid: int) -> Iterator[psutil.Process]:
    try:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.Error:
        return


def _of(process: psutil.Process, figure: Callable[[psutil.Process], float]) -> float:
    try:
        return float(figure(process))
    except psutil.Error:
        return 0.0
