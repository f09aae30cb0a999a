"""How long a pool waits for things, and how often it tries. Durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of one pool.

    `queue_timeout` counts only while the pool has a worker; `request_timeout` and `stream_timeout` count from
    submission. A worker that does not give up an abandoned call within `cancel_grace` is killed. `give_up_after`
    is the number of workers in a row that failed to start. `silence_timeout` is the shell's: how long an attached
    worker may neither answer a probe nor use its processor. A worker that has had `max_calls` calls, is
    `max_age` old, or holds `max_memory` MiB together with its children is replaced; 0 for never.
    """

    queue_size: int = 1000
    queue_timeout: float = 5.0
    request_timeout: float = 30.0
    stream_timeout: float = 300.0
    startup_timeout: float = 10.0
    cancel_grace: float = 2.0
    stop_grace: float = 5.0
    silence_timeout: float = 10.0
    restart_burst: int = 3
    restart_window: float = 5.0
    backoff_base: float = 0.5
    backoff_max: float = 30.0
    give_up_after: int = 5
    max_calls: int = 0
    max_age: float = 0.0
    max_memory: int = 0
