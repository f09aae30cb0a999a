"""Effects: what a pool asks of its shell. The shell performs them in order and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start these workers (new ids); later exactly one of Attached, StartFailed, Exited comes for each."""

    workers: tuple[str, ...]


@dataclass(slots=True)
class Dispatch:
    """Send the call to the worker; `timeout` is what is left of its time, in seconds."""

    worker: str
    call: int
    timeout: float


@dataclass(slots=True)
class Settle:
    """The call's single answer: the worker's `reply`, unchanged, or a Failure that the pool decided."""

    call: int
    outcome: Any


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Tell the worker to give up a call that is already settled."""

    worker: str
    call: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask the worker to return those of these calls that it has not started: the one before them is slow."""

    worker: str
    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the worker to end (drain, then TERM, then KILL after `grace` seconds)."""

    worker: str
    grace: float


@dataclass(frozen=True, slots=True)
class Kill:
    """End the worker now."""

    worker: str


@dataclass(frozen=True, slots=True)
class Drained:
    """A drained pool has no workers and no calls any more."""


Effect = Spawn | Dispatch | Settle | Interrupt | Recall | Stop | Kill | Drained
