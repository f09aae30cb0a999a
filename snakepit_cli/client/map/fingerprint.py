"""Whether the input of a continued run is that of the run before it. Without I/O.

A checkpoint is the number of a line and a digest of all lines before it. The joblog keeps them; the continued run takes
the same lines, and every checkpoint must come out the same. Input that has only grown at its end passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from snakepit_cli.base.errors import PitError

Checkpoint = tuple[int, str]
MOST_CHECKPOINTS = 1024
_MOST_CUTS = 4096
_DIGEST_BYTES = 16


def thin(checkpoints: list[Checkpoint]) -> None:
    """Removes every second one when there are too many; the first and the last stay."""
    if len(checkpoints) > MOST_CHECKPOINTS:
        del checkpoints[1:-1:2]


class Fingerprint:
    """The digest of the lines that were taken, in their order, and how far they are done, in any order."""

    def __init__(self, expected: Iterable[Checkpoint] = ()) -> None:
        import hashlib  # slow to import, and only a run with a joblog needs it

        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._line = 1
        self._expected = deque(sorted(expected))
        self._cuts: deque[Checkpoint] = deque(maxlen=_MOST_CUTS)
        self._done = 1
        """All lines before this one are done."""
        self._islands: dict[int, int] = {}
        """What is done beyond that: end of each range by its first line. As many as there are gaps."""
        self._ends: dict[int, int] = {}

    def limit(self) -> int | None:
        """How many lines may be taken at once: the next checkpoint must be met; None for any number."""
        return self._expected[0][0] - self._line if self._expected else None

    def take(self, lines: bytes, count: int) -> None:
        """These are the next lines. Raises PitError when they are not those of the run before."""
        self._hash.update(lines)
        self._line += count
        cut = (self._line, self._hash.hexdigest())
        if self._expected and self._expected[0][0] == self._line and self._expected.popleft() != cut:
            raise _other(f"lines 1 to {self._line - 1} are not the same")
        self._cuts.append(cut)

    def end(self) -> None:
        """The input is over. Raises PitError when that of the run before had more."""
        if self._expected:
            raise _other(f"it had at least {self._expected[-1][0] - 1} lines, not {self._line - 1}")

    def done(self, first: int, count: int) -> Checkpoint | None:
        """These lines are done too; the last checkpoint before which all are, when there is a new one."""
        start, end = self._ends.pop(first, first), first + count
        end = self._islands.pop(end, end)
        self._islands[start], self._ends[end] = end, start
        if start == self._done:
            self._done = self._islands.pop(start)
            del self._ends[self._done]
        new = None
        while self._cuts and self._cuts[0][0] <= self._done:
            new = self._cuts.popleft()
        return new


def _other(how: str) -> PitError:
    hint = "give the former input, or begin anew with another joblog"
    return PitError("usage", f"the joblog is of another run: its input was different: {how}", hint=hint)
