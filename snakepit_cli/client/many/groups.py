"""Which calls leave together, and when. Without I/O.

A call that finds nothing of its kind under way leaves at once, alone. While others are out, calls of a command that is
quick wait for company: what has gathered leaves as one block when an answer comes, when a block is full, or after
`PATIENCE`. Calls of a command that is not quick never wait for each other: a worker of their own is better for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import snakepit_cli
from snakepit_cli.client.call.request import cwd
from snakepit_cli.client.many.pending import Pending
from snakepit_cli.wire import front

MOST_TOGETHER = 128
"""Calls in a block."""
LONGEST = 64 << 10
"""Bytes of the arguments of a call that shares a block."""
AIM_SECONDS = 0.002
"""How long a block should take. A call waits for those before it."""
QUICK_SECONDS = 0.0001
"""A command that takes longer gains nothing from a block."""
GROWTH = 8
PATIENCE = 0.005
"""Seconds that a call waits for company."""
MOST_BLOCKS = 8
"""Blocks under way at a time. Calls that have waited for `PATIENCE` do not count."""
MOST_OUT = 256
"""Frames of a group under way at a time. More calls wait here: the server's queue is for other clients, too."""
_CROWD = 4
"""Calls under way at a time before a block is tried, to see whether the command is quick."""
_TRIED = 100
"""Calls of a command that was not quick before that is tried again."""
_FIRM = frozenset({"strict_queue", "strict_fail_fast"})


class Pace:
    """How many calls a block may have, learned from the blocks before."""

    def __init__(self) -> None:
        self.items = 1
        self._calls = 0
        """Calls that still leave alone before a block is tried again."""

    def learn(self, count: int, seconds: float) -> None:
        each = seconds / max(count, 1)
        if each > QUICK_SECONDS:
            self.slow()
        else:
            self.items = max(2, min(int(AIM_SECONDS / max(each, 1e-6)), self.items * GROWTH, MOST_TOGETHER))

    def slow(self) -> None:
        """From now on each call leaves alone, for a while."""
        self.items = 1
        self._calls = _TRIED

    def tries(self) -> bool:
        """Whether the next call that leaves alone is to show how quick it is."""
        if self._calls:
            self._calls -= 1
        return not self._calls


@dataclass(slots=True)
class Group:
    """Calls that differ only in their arguments. Its owner holds a lock around each method."""

    command: str
    header: Mapping[str, Any]
    """The header of each call, without the timeout."""
    cwd: str
    timeout: float | None
    """Seconds of each of its calls, from when it came: so they expire in the order in which they came."""
    alone: bool
    """Whether each call leaves alone, never in a block."""
    waiting: deque[Pending] = field(default_factory=deque)
    """Calls that have not been sent. Settled ones stay here until it is their turn."""
    pace: Pace = field(default_factory=Pace)
    out: int = 0
    """Frames without a final answer."""
    trying: bool = False
    """A block is under way that shows how quick the command is."""

    def leaving(self, now: float, *, answered: bool = False) -> int:
        """How many waiting calls leave now as one frame. `answered`: an answer has just come."""
        waiting, items = len(self.waiting), self.pace.items
        if not waiting or self.out >= MOST_OUT:
            return 0
        if self.alone or items == 1:
            return 1
        full = waiting >= items or answered
        if not self.out or (full and self.out < MOST_BLOCKS) or now >= self.waiting[0].since + PATIENCE:
            return min(waiting, items)
        return 0

    def patience(self) -> float:
        """When the first waiting call leaves at the latest, or its time is over."""
        first = self.waiting[0]
        together = self.out < MOST_OUT and self.pace.items > 1
        return min(first.since + PATIENCE, first.deadline) if together else first.deadline

    def take(self, count: int) -> list[Pending]:
        """Removes the first `count` waiting calls and returns those that are not settled."""
        waiting, size = self.waiting, 0
        taken: list[Pending] = []
        for _ in range(count):
            size += len(waiting[0].args)
            if taken and size > LONGEST:
                break
            call = waiting.popleft()
            if not call.done:
                taken.append(call)
        return taken

    def body(self, calls: list[Pending], now: float, *, block: bool, place: str = "") -> bytes:
        """Makes the body of the frame in which these calls leave. `place`: the header member that refers to the
        arguments."""
        timeout = None if self.timeout is None else max(calls[0].deadline - now, 1e-3)
        version = snakepit_cli.__version__
        if not block:
            return front.call_body(
                self.command, b"" if place else calls[0].args, version=version, cwd=self.cwd, timeout=timeout,
                block=place, **self.header,
            )  # fmt: skip
        # `item` names the argument that an item becomes unless it is an object. These are objects.
        members = front.block_members(len(calls), item="item", text=False, careful=True, calls=True)
        lines = b"\n".join([call.args for call in calls])
        return front.call_body(
            self.command, b"{}\n%b\n" % lines, version=version, cwd=self.cwd, timeout=timeout, stream=True,
            references=True, block=members, **self.header,
        )  # fmt: skip


def key(command: str, args: bytes, timeout: float | None, header: dict[str, Any]) -> tuple[Any, ...]:
    """Calls of the same key may share a block."""
    if labels := header.get("metadata"):
        rest = {**header, "metadata": None}
        return command, cwd(), timeout, fits(args), *rest.items(), *labels.items()
    return command, cwd(), timeout, fits(args), *header.items()


def fits(args: bytes) -> bool:
    """Whether a call with these arguments can be an item of a block: an object, one line, not long."""
    return args[:1] == b"{" and len(args) <= LONGEST and b"\n" not in args


def alone(header: Mapping[str, Any]) -> bool:
    """Whether calls with this header cannot share a block."""
    return bool(
        header.get("idempotent") or header.get("binary") or header.get("tool") or header.get("affinity") in _FIRM
    )


def crowded(group: Group) -> bool:
    """Whether the next call is to show how quick the command is."""
    return not group.alone and group.out >= _CROWD and not group.trying and group.pace.tries()
