"""Events: everything that can happen to a pool. Times are seconds of the caller's monotonic clock."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from snakepit_cli.core.limits import Limits


class Gate(enum.Enum):
    """What a pool does with new calls. It does not affect the workers."""

    OPEN = "open"
    PAUSED = "paused"
    """Accepts calls and queues them."""
    CLOSED = "closed"
    """Rejects new calls; runs those it has."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call or a worker failed: a kind of base.errors, what happened, and facts for machines."""

    kind: str
    message: str
    detail: tuple[tuple[str, Any], ...] = ()


class Affinity(enum.Enum):
    """How strictly calls of a session go to the worker that served it last (its home)."""

    HINT = "hint"
    """Home if it has room, any other if not."""
    STRICT_QUEUE = "strict_queue"
    """Home only: wait for it."""
    STRICT_FAIL_FAST = "strict_fail_fast"
    """Home only: fail when it has no room."""


# Events and effects of every call are not frozen: that would triple what it costs to make them. No code changes them.


@dataclass(slots=True)
class Submit:
    """A client wants `command`. `timeout` in seconds; None means the pool's default for calls or streams.

    `bulk`: a block of items, which waits behind all other calls for as long as it takes or, if it is `fair`, among
    them as one of them; its `timeout` begins with its dispatch and again with each Progress. `idempotent`: it may be
    run again when its worker dies. `only`: no worker but this may run it.
    """

    call: int
    command: str
    session: str | None = None
    timeout: float | None = None
    stream: bool = False
    bulk: bool = False
    affinity: Affinity = Affinity.HINT
    idempotent: bool = False
    only: str | None = None
    fair: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """The client gave up or went away."""

    call: int


@dataclass(slots=True)
class Progress:
    """Items of a block have been answered."""

    call: int


@dataclass(slots=True)
class Finished:
    """The worker gave its one answer to a call. `reply` is opaque to the core and comes back in Settle."""

    worker: str
    call: int
    reply: Any
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """The worker returns a call that Recall asked for, not started."""

    worker: str
    call: int


@dataclass(frozen=True, slots=True)
class Attached:
    """The worker dialled home and is ready to run `capacity` calls at a time."""

    worker: str
    capacity: int = 1
    sessions: tuple[str, ...] = ()
    """Sessions it served recently: it is their home."""


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The worker failed to start. `permanent`: an immediate retry would fail in the same way (its code raised)."""

    worker: str
    failure: Failure
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Exited:
    """The worker's process has ended; `failure` says how, for the calls that it held."""

    worker: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Unresponsive:
    """The worker's process lives, but neither answers nor uses the processor; `failure` is for the calls it holds."""

    worker: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Adopt:
    """These workers of an earlier server live and will dial home; only before the first Resize."""

    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resize:
    """The pool should have `size` workers. Also ends a pause after give-up: it asks to try again now."""

    size: int


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace these workers one by one, each after a new one has attached. No call fails because of it."""

    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rollout:
    """Workers run something else from now on: those that serve are replaced one by one as with Replace, those that
    still start are stopped. Otherwise like Resize."""

    size: int
    spare: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Admit:
    """Sets what is done with new calls."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Drain:
    """Take no new calls, let running ones finish for at most `grace` seconds, stop all workers for good."""

    grace: float


@dataclass(frozen=True, slots=True)
class Tick:
    """The instant that `next_deadline` named has come."""


Event = (
    Submit | Cancel | Progress | Finished | Returned | Attached | StartFailed | Exited | Unresponsive
    | Adopt | Resize | Replace | Rollout | Admit | Drain | Tick
)  # fmt: skip
