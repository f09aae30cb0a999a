"""A pool's workers as the shell knows them; their states are the machine's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from snakepit_cli.core.events import Gate
from snakepit_cli.server.calls.call import Call
from snakepit_cli.server.calls.nested_calls import NestedCalls
from snakepit_cli.server.segments import Lent, Owner
from snakepit_cli.server.workers.worker_link import Link
from snakepit_cli.wire import worker_pb2 as pb

Lend = Callable[["Worker", "Call | None", pb.Reference], "Lent | None"]
"""Takes what a worker refers to. None when it must not: it is ended then."""


@dataclass
class Worker:
    id: str
    token: str
    started: float
    """Monotonic seconds, which all processes of a machine share."""
    asked: bool = False
    """Whether the warden has been asked for a process: only then does it report an exit."""
    generation: int = 0
    """Of what the pool ran when it was started: the pool's own, unless it is to be replaced."""
    pid: int | None = None
    link: Link | None = None
    nested: NestedCalls | None = None
    """The calls that its handlers make; there when `link` is."""
    segments: Owner | None = None
    """Those that it makes; None when it makes none."""
    capacity: int = 1
    """Calls that it runs at a time."""
    requests: int = 0
    heard: bool = True
    """It has said something since `liveness` looked."""
    asked_at: float | None = None
    """When it was sent the probe that it has not answered."""
    measured_at: float | None = None
    """When its processor time was read, after it had been silent for a while."""
    cpu: float = 0.0
    """Processor seconds that it and its children had used then."""

    def ask(self, request: pb.Request, parent: Call | None, pool: str, lend: Lend) -> None:
        lent = None
        if request.HasField("args_ref") and (lent := lend(self, None, request.args_ref)) is None:
            return
        if self.nested is not None:
            self.nested.ask(request, parent, pool, lent)
        elif lent is not None:
            lent.release()

    def interrupt(self, call: int) -> None:
        if self.link is not None:
            self.link.cancel(call)

    def drain(self) -> None:
        if self.link is not None:
            self.link.drain()

    def recall(self, calls: Sequence[int]) -> None:
        if self.link is not None:
            self.link.recall(calls)

    def end_sessions(self, sessions: Sequence[str]) -> None:
        if self.link is not None:
            self.link.end_sessions(sessions)

    def withdraw(self, request: int) -> None:
        if self.nested is not None:
            self.nested.withdraw(request)


@dataclass(frozen=True)
class Survivor:
    """A worker of the server before us, which will dial home to us with this token."""

    id: str
    token: str
    pid: int | None
    requests: int
    started: float
    generation: int = 0

    def worker(self) -> Worker:
        return Worker(
            self.id, self.token, self.started, asked=True, generation=self.generation, pid=self.pid,
            requests=self.requests,
        )  # fmt: skip


@dataclass(frozen=True)
class Survivors:
    """What is left of a pool of the server before us."""

    workers: Sequence[Survivor]
    next_worker: int
    start: str | None
    note: str | None
    gate: Gate = Gate.OPEN
    generation: int = 0
