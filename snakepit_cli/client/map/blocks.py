"""What `map` decides, without I/O: how input becomes blocks, what is run again, in which order answers leave.

A block is a run of input lines that travels and is scheduled as one. Its answers come back in parts, in order, so the
number of answers tells which item a worker was working on when it died.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire import front

AIM_SECONDS = 0.012
"""How long a block should take: long enough to carry its cost, short enough that a call can wait for it."""
LARGEST_BYTES = 512 << 10
LARGEST_BATCH = 16 << 20
"""Bytes. What travels to a worker has a limit, and so has what is held back until a batch is full."""
MOST_BATCH = front.MOST_BATCH
LONGEST_LINE = 512 << 20
"""Bytes. A line that has not ended by then is no line."""
MOST_ITEMS = 1 << 16
GROWTH = 2
_MARK = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8."""
_BLANK_BYTES = 4096
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
    """Some lines on their way. `first` is the number of the first without an answer, `count` how many have none."""

    first: int
    lines: bytes
    """Those that were sent, `answered` and not."""
    count: int
    careful: bool = False
    offset: int | None = None
    """Where the lines are in the input, when that is a file that holds them as they are."""
    referred: bool = False
    """It was sent as a reference."""
    tried: int = 0
    """How often its first item has been run without an answer."""
    answered: int = 0
    """Since it was sent."""

    @property
    def rest(self) -> bytes:
        """The lines that have no answer."""
        return _without(self.lines, self.answered) if self.answered else self.lines

    def again(self, *, careful: bool = False, tried: int = 0) -> Block:
        """What has no answer, to be sent once more."""
        rest = self.rest
        offset = None if self.offset is None else self.offset + len(self.lines) - len(rest)
        return Block(self.first, rest, self.count, careful, offset, tried=tried)


class Pace:
    """How many items a block should have, learned from those before it."""

    def __init__(self) -> None:
        self.items = 1

    def learn(self, count: int, seconds: float) -> None:
        fitting = int(count * AIM_SECONDS / max(seconds, 1e-6))
        self.items = max(1, min(fitting, self.items * GROWTH, MOST_ITEMS))


class Cutter:
    """Input bytes in, blocks of whole lines out. Holds no more than one read and one unfinished line.

    A byte order mark at the beginning is no part of the first line. Lines of text end in LF or CR LF. Blank lines at
    the end of JSON are no items.
    """

    def __init__(self, *, text: bool = False, offset: int | None = None, batch: int = 0) -> None:
        """`offset`: where in a file the input begins; None when it comes from no file.

        `batch`: blocks are of whole batches, as far as the input and `LARGEST_BATCH` let them.
        """
        self._text = text
        self._offset = offset
        self._size = offset or 0
        """Offset of the end of what has been fed."""
        self._batch = batch
        self._lines = 0
        """Of `_data`; counted for batches only."""
        self._begun = False
        self._data = b""
        self._parts: list[bytes] = []
        self._unfinished = 0
        self.line = 1
        """Number of the line that is cut next."""
        self.ended = False

    def feed(self, data: bytes) -> None:
        """More input; nothing means its end, which completes a last line. Raises PitError for an endless line."""
        if not data:
            if b"".join(self._parts) not in (b"", b"" if self._begun else _MARK):
                self._parts.append(b"\n")
                self._join()
            self.ended = True
            self._parts.clear()
            return
        self._size += len(data)
        self._parts.append(data)
        self._unfinished += len(data)
        if b"\n" in data:
            self._join()
        elif self._unfinished > LONGEST_LINE:
            text = f"a line after line {self.line} of the input has more than {LONGEST_LINE >> 20} MiB and does not end"
            raise PitError("invalid_arguments", text, hint="is it text, one JSON value a line?")

    def _join(self) -> None:
        """Only when a line is complete: a very long one is not copied with each read."""
        whole = b"".join(self._parts)
        if not self._begun:
            self._begun = True
            if whole.startswith(_MARK):
                whole = whole[len(_MARK) :]
                self._move(len(_MARK))
        end = whole.rfind(b"\n") + 1
        if not self._text:
            end = _without_blanks(whole, end)
        lines, rest = whole[:end], whole[end:]
        if self._text and b"\r\n" in lines:
            lines = lines.replace(b"\r\n", b"\n")
            self._offset = None  # the file does not hold them so
        self._data = self._data + lines if self._data else lines
        self._lines += lines.count(b"\n") if self._batch else 0
        self._parts = [rest] if rest else []
        self._unfinished = len(rest)

    @property
    def waiting(self) -> int:
        """Complete lines that have not been cut."""
        return self._data.count(b"\n")

    @property
    def ready(self) -> bool:
        """At least one line is complete, or a batch."""
        if self._batch and not self.ended:
            return self._lines >= self._batch or len(self._data) > LARGEST_BATCH
        return bool(self._data)

    @property
    def over(self) -> bool:
        return self.ended and not self._data

    def cut(self, items: int, most: int | None = None) -> Block:
        """About `count` lines, at least one, and never more than `most`."""
        data = self._data
        if self._batch:
            end = self._batches(items, self._lines if most is None else min(most, self._lines))
        elif most is not None and most < MOST_ITEMS:
            parts = data.split(b"\n", min(items, most))
            end = len(data) - len(parts[-1])
            end = min(end, self._about(items)) if end > LARGEST_BYTES else end
        else:
            end = data.index(b"\n") + 1 if items == 1 else self._about(items)
        lines, self._data = data[:end], data[end:]
        count = lines.count(b"\n")
        block = Block(self.line, lines, count, offset=self._offset)
        self._move(end)
        if self._offset is not None and self._offset > self._size:
            block.offset = None  # the last line has no end in the file
        self.line += count
        self._lines -= count
        return block

    def _move(self, size: int) -> None:
        if self._offset is not None:
            self._offset += size

    def drop(self, most: int) -> tuple[bytes, int]:
        """Takes up to a number of complete lines: the lines, and how many they are."""
        data = self._data
        *dropped, self._data = data.split(b"\n", most)
        self.line += len(dropped)
        self._move(len(data) - len(self._data))
        self._lines -= len(dropped)
        return data[: len(data) - len(self._data)], len(dropped)

    def _batches(self, items: int, most: int) -> int:
        """Where to cut so that the block is of whole batches, or of less than one if there is no more."""
        data, batch = self._data, self._batch
        count = min(max(batch, items), most)
        if len(data) > LARGEST_BYTES:
            count = min(count, max(batch, data.count(b"\n", 0, LARGEST_BYTES)))
        count -= count % batch if count > batch else 0
        end = len(data) - len(data.split(b"\n", count)[-1])
        return end if end <= LARGEST_BATCH else data.rfind(b"\n", 0, LARGEST_BATCH) + 1 or data.index(b"\n") + 1

    def _about(self, items: int) -> int:
        """Where to cut, guessed from how long the first lines are."""
        data = self._data
        sample = data[:4096]
        line = max(1, len(sample) // max(1, sample.count(b"\n")))
        end = data.rfind(b"\n", 0, min(items * line, LARGEST_BYTES)) + 1
        return end or data.index(b"\n") + 1


def _without_blanks(data: bytes, end: int) -> int:
    """Where the lines end, without blank ones in the end, which may be the last of all. Those of many bytes count."""
    tail = data[max(0, end - _BLANK_BYTES) : end]
    full = tail.rstrip(b" \t\r\n")
    if full:
        return end - len(tail) + tail.index(b"\n", len(full)) + 1
    return end if len(tail) == _BLANK_BYTES else end - len(tail)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to `count` items from line `first` on; `failed` are the lines of those that failed."""

    first: int
    count: int
    lines: bytes
    failed: tuple[int, ...] = ()


@dataclass
class Tally:
    """What has come of it so far. `first_error` is the error of the first line that failed.

    `size` is that of the input, None when it is unknown; `taken` is how much of it is done.
    """

    done: int = 0
    failed: int = 0
    skipped: int = 0
    """Done by an earlier run."""
    taken: int = 0
    size: int | None = None
    first_error: dict[str, object] | None = None
    place: Callable[[int], dict[str, Any]] | None = None
    """Where an item is, as members of its error, when its number is not that of its line."""
    _first_failed: int = 0

    def failure(self, error: PitError, item: int) -> bytes:
        """The line that takes the place of the answer, without its end."""
        self.failed += 1
        body = {**error.as_dict(), **({"line": item} if self.place is None else self.place(item))}
        if not error.hint:
            del body["hint"]
        if self.first_error is None or item < self._first_failed:
            self.first_error, self._first_failed = body, item
        return json.dumps({"error": body}, ensure_ascii=False, separators=(",", ":")).encode()

    def line(self, item: int) -> int:
        """In which line of the input an item is."""
        return item if self.place is None else int(self.place(item)["line"])


@dataclass
class Order:
    """Answers in the order of the input. `parts` holds what came too early, by line number."""

    kept: bool
    next: int = 1
    parts: dict[int, Answers] = field(default_factory=dict)

    def waiting(self) -> list[int]:
        """The first item whose answer has not been written, when the order is kept."""
        return [self.next] if self.kept else []

    def put(self, came: Answers) -> list[Answers]:
        """What may be written now."""
        if not self.kept:
            return [came]
        self.parts[came.first] = came
        out = []
        while found := self.parts.pop(self.next, None):
            self.next += found.count
            out.append(found)
        return out


class Work:
    """The blocks that wait to be sent, those that are out, and what their ends mean."""

    def __init__(self, retries: int, tally: Tally, *, envelope: bool = False, batch: int = 0) -> None:
        """`envelope`: each answer says which line it is to, and whether it is a result or an error.

        `batch`: so many items are run as one, and fail together when their worker dies.
        """
        self.again: deque[Block] = deque()
        """To be sent before anything new."""
        self._retries = retries
        self._tally = tally
        self._envelope = envelope
        self._batch = batch or 1

    def answers(self, block: Block, lines: bytes, failed: Iterable[int]) -> Answers:
        """Takes in a part of a block's answers. Raises PitError."""
        count, first = lines.count(b"\n"), block.first
        if count > block.count:
            raise PitError("internal", f"{count} answers to {block.count} items (line {first})")
        failed = tuple(first + position for position in failed)
        if failed or self._envelope:
            lines = b"".join(self._marked(lines, frozenset(failed), first))
        block.first += count
        block.count -= count
        block.answered += count
        block.tried = 0 if count else block.tried
        self._tally.done += count
        if not block.count:
            self._tally.taken += len(block.lines)
        return Answers(first, count, lines, failed)

    def _marked(self, lines: bytes, failed: frozenset[int], first: int) -> Iterator[bytes]:
        for number, line in enumerate(lines.splitlines(keepends=True), first):
            if number in failed:
                yield self._failure(PitError.from_dict(json.loads(line)), number)
            elif self._envelope:
                yield b'{"line":%d,"result":%b}\n' % (self._tally.line(number), line[:-1])
            else:
                yield line

    def _failure(self, error: PitError, line: int) -> bytes:
        text = self._tally.failure(error, line)
        return b'{"line":%d,%b\n' % (self._tally.line(line), text[1:]) if self._envelope else text + b"\n"

    def refused(self, first: int, lines: bytes, errors: Sequence[PitError]) -> Answers:
        """The answers to items that are not sent: there is something wrong with each."""
        self._tally.done += len(errors)
        self._tally.taken += len(lines)
        texts = [self._failure(error, item) for item, error in enumerate(errors, first)]
        return Answers(first, len(errors), b"".join(texts), tuple(range(first, first + len(errors))))

    def ended(self, block: Block, error: PitError | None) -> Answers | None:
        """The block's end. What is left of it is run again; an item that has had its chances becomes an answer.

        Raises PitError for an error that no other worker could mend.
        """
        if not block.count:
            return None
        if error is None:
            raise PitError("internal", f"no answer to line {block.first}, and the block is over")
        too_long = error.kind == "invalid_arguments" and block.count <= self._batch
        unreadable = error.kind == "reference_failed" and block.referred
        if error.kind not in CULPRIT | NOT_BEGUN | INNOCENT and not too_long and not unreadable:
            raise error
        rest = block.rest
        self._tally.taken += len(block.lines) - len(rest)
        if unreadable:
            block.offset = None
            self.again.append(block.again(careful=block.careful, tried=block.tried))
            return None
        if error.kind in INNOCENT and block.tried < RESTARTS + self._retries:
            self.again.append(block.again(careful=block.careful, tried=block.tried + 1))
            return None
        # Else items before the one to blame may have been finished, but not reported: see BlockRun in the bridge.
        known = block.careful or block.count <= self._batch
        if error.kind in NOT_BEGUN or not known:
            self.again.append(block.again(careful=error.kind in CULPRIT))
            return None
        if block.tried < self._retries and not too_long:
            self.again.append(block.again(careful=True, tried=block.tried + 1))
            return None
        return self._blame(block.first, rest, block.count, error)

    def _blame(self, first: int, lines: bytes, count: int, error: PitError) -> Answers:
        """The first of these, or the first batch, has had its chances; the others are run again."""
        failed = min(count, self._batch)
        others = _without(lines, failed)
        if others:
            self.again.append(Block(first + failed, others, count - failed))
        return self.refused(first, lines[: len(lines) - len(others)], [error] * failed)


def _without(lines: bytes, count: int) -> bytes:
    """The lines after the first `count`."""
    parts = lines.split(b"\n", count)
    return parts[count]
