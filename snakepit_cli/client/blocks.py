"""What `map` decides, without I/O: how input becomes blocks, what is run again, in which order answers leave.

A block is a run of input lines that travels and is scheduled as one. Its answers come back in parts, in order, so the
number of answers tells which item a worker was working on when it died.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from snakepit_cli.base.errors import PitError

AIM_SECONDS = 0.008
"""How long a block should take: long enough to carry its cost, short enough that a call can wait for it."""
LARGEST_BYTES = 256 << 10
MOST_ITEMS = 1 << 16
GROWTH = 2
CULPRIT = frozenset({"worker_crashed", "worker_oom", "worker_unresponsive", "worker_timeout"})
"""Errors of a block that one of its items may have caused."""
INNOCENT = frozenset({"server_restarted"})
"""Errors of a block that no item has caused."""
RESTARTS = 3
"""How many servers may be lost under an item before it counts as failed."""
NOT_BEGUN = frozenset({"queue_timeout", "pool_saturated"})
"""Errors of a block that has not been begun."""


@dataclass
class Block:
    """Some lines on their way. `first` is the line number of the first; `lines` are those not answered yet."""

    first: int
    lines: bytes
    count: int
    careful: bool = False
    tried: int = 0
    """How often its first item has been run without an answer."""
    sent: float = 0.0
    answered: int = 0
    """Since it was sent."""


class Pace:
    """How many items a block should have, learned from those before it."""

    def __init__(self) -> None:
        self.items = 1

    def learn(self, count: int, seconds: float) -> None:
        fitting = int(count * AIM_SECONDS / max(seconds, 1e-6))
        self.items = max(1, min(fitting, self.items * GROWTH, MOST_ITEMS))


class Cutter:
    """Input bytes in, blocks of whole lines out. Holds no more than one read and one unfinished line."""

    def __init__(self) -> None:
        self._data = b""
        self._parts: list[bytes] = []
        self._line = 1
        self.ended = False

    def feed(self, data: bytes) -> None:
        """More input; nothing means its end, which completes a last line."""
        if not data:
            self.ended = True
            if any(self._parts):
                self._parts.append(b"\n")
                self._join()
            return
        self._parts.append(data)
        if b"\n" in data:
            self._join()

    def _join(self) -> None:
        """Only when a line is complete: a very long one is not copied with each read."""
        whole = b"".join([self._data, *self._parts])
        end = whole.rfind(b"\n") + 1
        self._data, rest = whole[:end], whole[end:]
        self._parts = [rest] if rest else []

    @property
    def ready(self) -> bool:
        """At least one line is complete."""
        return bool(self._data)

    @property
    def over(self) -> bool:
        return self.ended and not self._data

    def cut(self, items: int) -> Block:
        """About so many lines, at least one."""
        data = self._data
        end = data.index(b"\n") + 1 if items == 1 else self._about(items)
        lines, self._data = data[:end], data[end:]
        count = lines.count(b"\n")
        block = Block(self._line, lines, count)
        self._line += count
        return block

    def _about(self, items: int) -> int:
        """Where to cut, guessed from how long the first lines are."""
        data = self._data
        sample = data[:4096]
        line = max(1, len(sample) // max(1, sample.count(b"\n")))
        end = data.rfind(b"\n", 0, min(items * line, LARGEST_BYTES)) + 1
        return end or data.index(b"\n") + 1


@dataclass
class Tally:
    """What has come of it so far. `first_error` is the first failed item's error."""

    done: int = 0
    failed: int = 0
    first_error: dict[str, object] | None = None

    def failure(self, error: PitError, line: int) -> bytes:
        """The line that takes the place of the answer."""
        self.failed += 1
        body = {**error.as_dict(), "line": line}
        if self.first_error is None:
            self.first_error = body
        return json.dumps({"error": body}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@dataclass
class Order:
    """Answers in the order of the input. `parts` holds what came too early, by line number."""

    kept: bool
    next: int = 1
    parts: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def put(self, first: int, count: int, lines: bytes) -> bytes:
        """Answers to `count` lines from `first` on came; what may be written now."""
        if not self.kept:
            return lines
        if first != self.next:
            self.parts[first] = count, lines
            return b""
        out = [lines]
        self.next += count
        while found := self.parts.pop(self.next, None):
            self.next += found[0]
            out.append(found[1])
        return b"".join(out)


class Work:
    """The blocks that wait to be sent, those that are out, and what their ends mean."""

    def __init__(self, retries: int, tally: Tally) -> None:
        self.again: deque[Block] = deque()
        """To be sent before anything new."""
        self._retries = retries
        self._tally = tally

    def answers(self, block: Block, lines: bytes, failed: Iterable[int]) -> tuple[int, bytes]:
        """Takes in a part of a block's answers: number of the first line, and what to print. Raises PitError."""
        count, first = lines.count(b"\n"), block.first
        if count > block.count:
            raise PitError("internal", f"{count} answers to {block.count} items (line {first})")
        failed = list(failed)
        if failed:
            lines = b"".join(self._marked(lines, set(failed), first))
        block.first += count
        block.count -= count
        block.answered += count
        block.lines = _without(block.lines, count) if block.count else b""
        block.tried = 0 if count else block.tried
        self._tally.done += count
        return first, lines

    def _marked(self, lines: bytes, failed: set[int], first: int) -> Iterator[bytes]:
        for position, line in enumerate(lines.splitlines(keepends=True)):
            if position not in failed:
                yield line
                continue
            said = json.loads(line)
            yield self._tally.failure(PitError.from_dict(said), first + position)

    def ended(self, block: Block, error: PitError | None) -> tuple[int, bytes] | None:
        """The block's end. What is left of it is run again; an item that has had its chances becomes an answer.

        Raises PitError for an error that no other worker could mend.
        """
        if not block.count:
            return None
        if error is None:
            raise PitError("internal", f"no answer to line {block.first}, and the block is over")
        too_long = error.kind == "invalid_arguments" and block.count == 1
        if error.kind not in CULPRIT | NOT_BEGUN | INNOCENT and not too_long:
            raise error
        if error.kind in INNOCENT and block.tried < RESTARTS + self._retries:
            self.again.append(Block(block.first, block.lines, block.count, block.careful, block.tried + 1))
            return None
        known = block.careful or block.count == 1 or error.kind == "worker_timeout"
        if error.kind in NOT_BEGUN or not known:
            self.again.append(Block(block.first, block.lines, block.count, careful=error.kind in CULPRIT))
            return None
        if block.tried < self._retries and not too_long:
            self.again.append(Block(block.first, block.lines, block.count, True, block.tried + 1))
            return None
        rest = _without(block.lines, 1)
        if rest:
            self.again.append(Block(block.first + 1, rest, block.count - 1))
        self._tally.done += 1
        return block.first, self._tally.failure(error, block.first)


def _without(lines: bytes, count: int) -> bytes:
    """The lines after the first `count`."""
    parts = lines.split(b"\n", count)
    return parts[count]
