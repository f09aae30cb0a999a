"""What one command costs a shell, from the start of the process to its end."""

from __future__ import annotations

import time

from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import median
from benchmarks.trials import Trials

_PEER = "python -c pass"
_SETTLE_SECONDS = 0.005
_UNCOUNTED = 5
"""First trials that only warm the file cache."""


def measure(instance: Instance, trials: Trials) -> list[Row]:
    if instance.json("exec", "ping")["status"] != "pong":
        raise BenchmarkError("`snakepit exec ping` does not answer pong")
    return [_warm(instance, trials.warm), _cold(instance, trials.cold)]


def _warm(instance: Instance, trials: int) -> Row:
    for _ in range(_UNCOUNTED):
        instance.timed("exec", "ping")
        instance.bare()
    return _row("exec ping, warm", [_pair(instance) for _ in range(trials)])


def _cold(instance: Instance, trials: int) -> Row:
    """Everything is ended before each trial: the command starts warden, server, template and workers."""
    pairs = []
    for _ in range(trials):
        instance.down()
        pairs.append(_pair(instance))
    return _row("exec ping, nothing running", pairs)


def _pair(instance: Instance) -> tuple[float, float]:
    """Seconds of ours and of the peer, neither beside what the one before still had to do."""
    time.sleep(_SETTLE_SECONDS)
    ours = instance.timed("exec", "ping")
    time.sleep(_SETTLE_SECONDS)
    return ours, instance.bare()


def _row(name: str, pairs: list[tuple[float, float]]) -> Row:
    ours, bare = ([pair[side] * 1e3 for pair in pairs] for side in (0, 1))
    return Row(name, median(ours), "ms", len(pairs), Peer(_PEER, median(bare)))
