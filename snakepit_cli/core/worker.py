"""The states of a worker. Each carries the data that it needs and nothing else; instants are seconds.

A move makes a new state; only `live` and `abandoned` change in place, because they change with every call.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from snakepit_cli.core.call import Call


@dataclass(frozen=True, slots=True)
class Gone:
    """Not in the pool: unknown, or its exit has been handled."""


@dataclass(frozen=True, slots=True)
class Starting:
    """Spawned, has not dialled home yet. At `deadline` it counts as failed."""

    since: float
    deadline: float


@dataclass(slots=True)
class Serving:
    """Attached. A call in `abandoned` is settled but may still run: it keeps its slot until its worker says
    that it is over, or until the instant given for it, when the worker is killed.

    It runs `capacity` calls at a time, and may hold more while all of them are believed to be quick: see pace.py.
    """

    capacity: int
    since: float
    live: dict[int, Call]
    abandoned: dict[int, float]
    slow: int = 0
    """How many of the live calls are not believed to be quick."""
    touched: float = 0.0
    """When it was given a call after having none, or was last seen to be at work."""
    answers: int = 0
    """How many it has given since then."""
    look_at: float = inf
    """When to see whether a stack of calls has stalled."""

    @property
    def taken(self) -> int:
        return len(self.live) + len(self.abandoned)


@dataclass(frozen=True, slots=True)
class Draining:
    """Finishes its live calls (there is at least one), takes no new ones, then stops. At `deadline` they end."""

    live: dict[int, Call]
    abandoned: dict[int, float]
    deadline: float


@dataclass(frozen=True, slots=True)
class Stopping:
    """Asked to end, with nothing left to do. At `deadline` it is killed."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Dying:
    """Killed, with the calls that die with it unless they are answered first. At `deadline` it is killed again.

    It keeps its place in the pool until it is gone: its memory, its GPU, its port are not free before that.
    """

    live: dict[int, Call]
    deadline: float


Worker = Starting | Serving | Draining | Stopping | Dying

GONE = Gone()


def due(state: Worker) -> float:
    """The instant at which something must be done about the worker, inf if never."""
    match state:
        case Starting() | Stopping() | Dying():
            return state.deadline
        case Serving():
            return min(state.look_at, _first(state.abandoned))
        case Draining():
            return min(state.deadline, _first(state.abandoned))


def _first(abandoned: dict[int, float]) -> float:
    # All wait for the same grace, so the one abandoned first is due first.
    return next(iter(abandoned.values()), inf)


def calls_of(state: Worker) -> dict[int, Call]:
    """The unsettled calls on the worker."""
    match state:
        case Serving() | Draining() | Dying():
            return state.live
        case Starting() | Stopping():
            return {}


def name_of(state: Worker) -> str:
    """Its state in one word."""
    if isinstance(state, Serving):
        return "busy" if state.live or state.abandoned else "idle"
    return type(state).__name__.lower()
