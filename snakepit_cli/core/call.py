"""One accepted call, and the instants at which calls run out of time."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf

from snakepit_cli.core.events import Affinity

# Below this many dead entries a rebuild costs more than the memory it gives back.
SLACK = 64


@dataclass(slots=True)
class Call:
    """A call from its acceptance to its Settle. `submitted`, `waiting_since` and `deadline` are instants."""

    id: int
    command: str
    session: str | None
    submitted: float
    deadline: float
    """Of a block that waits behind others: never. It moves with each Progress."""
    allowance: float = 0.0
    """Of a block: seconds from its dispatch, and from each Progress, to its deadline. 0 for any other call."""
    affinity: Affinity = Affinity.HINT
    lives: int = 0
    """Retries left after a worker crash."""
    waiting_since: float = 0.0
    """When it was last queued. A call whose worker died is queued again."""
    quick: bool = False
    """Dispatched behind another call, because its command is expected to be quick."""

    behind: bool = False
    """A block that waits behind all other calls."""
    only: str | None = None
    """The only worker that may run it."""

    @property
    def strict(self) -> bool:
        return self.only is not None or (self.session is not None and self.affinity is not Affinity.HINT)


class Deadlines:
    """A heap of (deadline, call) with lazy deletion: settling a call costs nothing here.

    Calls end in any order and nearly always early, so entries of settled calls are dropped when they reach
    the top, and all at once when they outnumber the unsettled ones.
    """

    __slots__ = ("heap",)

    def __init__(self) -> None:
        self.heap: list[tuple[float, int]] = []

    def push(self, call: Call) -> None:
        if call.deadline < inf:
            heappush(self.heap, (call.deadline, call.id))

    def overgrown(self, unsettled: int) -> bool:
        return len(self.heap) > 2 * unsettled + SLACK

    def rebuild(self, waiting: Container[int], running: Container[int]) -> None:
        self.heap[:] = [entry for entry in self.heap if entry[1] in waiting or entry[1] in running]
        heapify(self.heap)

    def soonest(self, waiting: Container[int], running: Container[int]) -> float:
        """The first deadline of a call that is still unsettled, inf without one."""
        heap = self.heap
        while heap:
            deadline, call = heap[0]
            if call in running or call in waiting:
                return deadline
            heappop(heap)
        return inf

    def pop_due(self, now: float) -> int | None:
        """A call whose entry is due; it may be settled already."""
        if self.heap and self.heap[0][0] <= now:
            return heappop(self.heap)[1]
        return None
