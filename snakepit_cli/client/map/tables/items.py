"""What is known of a table's items by their numbers: where each begins, and which cannot be run."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

from snakepit_cli.base.errors import PitError


class Places:
    """The line of the input in which each item begins: kept as the items at which the distance of the two changes."""

    def __init__(self) -> None:
        self._items: list[int] = []
        self._distances: list[int] = []

    def add(self, item: int, lines: Sequence[int]) -> None:
        """Items from this one on begin in these lines."""
        if not lines:
            return
        if lines[-1] - lines[0] == len(lines) - 1:
            self._add(item, lines[0] - item)
            return
        for number, line in enumerate(lines, item):
            self._add(number, line - number)

    def _add(self, item: int, distance: int) -> None:
        if not self._distances or self._distances[-1] != distance:
            self._items.append(item)
            self._distances.append(distance)

    def line(self, item: int) -> int:
        return item + self._distances[max(0, bisect_right(self._items, item) - 1)] if self._items else item

    def forget(self, before: int) -> None:
        """Items before this one are not asked for again."""
        gone = bisect_right(self._items, before) - 1
        if gone > 0:
            del self._items[:gone], self._distances[:gone]

    def __len__(self) -> int:
        return len(self._items)


class Faults:
    """Items that cannot be run, each with its error, in ascending order."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, PitError]] = deque()

    def add(self, item: int, error: PitError) -> None:
        self._waiting.append((item, error))

    def until(self, item: int) -> int | None:
        """How many items from this one on can be run; None for all that are known. Those before are forgotten."""
        while self._waiting and self._waiting[0][0] < item:
            self._waiting.popleft()
        return self._waiting[0][0] - item if self._waiting else None

    def take(self, item: int, most: int) -> list[PitError]:
        """The errors of this item and of those that follow it without a gap."""
        found: list[PitError] = []
        while len(found) < most and self._waiting and self._waiting[0][0] == item + len(found):
            found.append(self._waiting.popleft()[1])
        return found
