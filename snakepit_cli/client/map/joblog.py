"""The joblog of a `map`: which items are done, so that a broken run can be continued.

A text file. Its first line says what the run is, each further one what was written at once:
`[first line of the input, how many, bytes of the output by then, failed lines…]`. A record is appended after its
answers have been written. `{"line": …, "digest": …}` after it says what the input was before that line;
`{"columns": […]}` before the first one says which columns the output has, if it has any. What is missing
at the end of the file was at most written, not recorded: a file of answers is cut back to what the last whole record
says, so nothing is there twice.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.write_hints import write_hint
from snakepit_cli.client.map.fingerprint import Checkpoint, thin

VERSION = 1


@dataclass
class Done:
    """Line numbers as ranges: `starts[i]` up to and without `ends[i]`, ascending, apart from each other."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]], without: Iterable[int] = ()) -> Done:
        """`ranges` are (first, count) in any order; `without` are lines that do not count as done."""
        done = cls()
        for first, count in sorted(ranges):
            if done.ends and first <= done.ends[-1]:
                done.ends[-1] = max(done.ends[-1], first + count)
            else:
                done.starts.append(first)
                done.ends.append(first + count)
        for line in without:
            done._take_out(line)
        return done

    def _take_out(self, line: int) -> None:
        at = bisect_right(self.starts, line) - 1
        if at < 0 or line >= self.ends[at]:
            return
        start, end = self.starts[at], self.ends[at]
        kept = [(a, b) for a, b in ((start, line), (line + 1, end)) if a < b]
        self.starts[at : at + 1] = [a for a, _ in kept]
        self.ends[at : at + 1] = [b for _, b in kept]

    def skip(self, line: int) -> int:
        """How many lines from this one on are done."""
        at = bisect_right(self.starts, line) - 1
        return max(0, self.ends[at] - line) if at >= 0 else 0

    def until(self, line: int) -> int | None:
        """How many lines from this one on are not done; None for all."""
        at = bisect_right(self.starts, line)
        return self.starts[at] - line if at < len(self.starts) else None


class Joblog:
    """An open joblog. `done` is what need not be run, `offset` the bytes of the output that it vouches for.

    `checkpoints` tell what the input was; a joblog of an earlier version has none. `columns` are those
    of the output, none when the answers are no objects.
    """

    def __init__(
        self, descriptor: int, done: Done, offset: int, checkpoints: Iterable[Checkpoint] = (),
        columns: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self._descriptor = descriptor
        self.done = done
        self.offset = offset
        self.checkpoints = list(checkpoints)
        self.columns = columns

    def name_columns(self, names: Sequence[str]) -> None:
        """The output is going to have these columns. Raises PitError."""
        self._append(json.dumps({"columns": list(names)}, separators=(",", ":")).encode() + b"\n")

    def record(
        self, first: int, count: int, written: int, failed: Iterable[int], checkpoint: Checkpoint | None = None
    ) -> None:
        """These items are done and their answers, `written` bytes, are out. Raises PitError."""
        self.offset += written
        line = json.dumps([first, count, self.offset, *failed], separators=(",", ":")).encode() + b"\n"
        if checkpoint is not None:
            line += b'{"line":%d,"digest":"%b"}\n' % (checkpoint[0], checkpoint[1].encode())
        self._append(line)

    def _append(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            text = f"cannot write the joblog: {error.strerror}"
            raise PitError("output_failed", text, hint=write_hint(error.errno)) from None


def start(path: str, what: dict[str, Any]) -> Joblog:
    """A new one. Raises PitError when there is one already."""
    with _told(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        if os.fstat(descriptor).st_size:
            os.close(descriptor)
            hint = "continue with --resume, or remove the file"
            raise PitError("usage", f"{path} is the joblog of a run already", hint=hint)
        os.write(descriptor, json.dumps({"joblog": VERSION, **what}, separators=(",", ":")).encode() + b"\n")
    return Joblog(descriptor, Done(), 0)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PitError("output_failed", f"{path}: {error.strerror}", hint=write_hint(error.errno)) from None


def resume(path: str, what: dict[str, Any], *, failed_too: bool, most: int | None) -> Joblog:
    """One of a run that was broken off; a run that never began is begun. Raises PitError.

    `most` is the size of the file of answers, None when they go elsewhere. `failed_too`: items that failed are to be
    run again.
    """
    if not os.path.exists(path):
        return start(path, what)
    with _told(path), open(path, "rb") as file:
        head, *lines = file.read().split(b"\n")
    if not lines:  # broken off in its very first line
        os.unlink(path)
        return start(path, what)
    _check(path, head, what)
    found = _Records(most)
    good = len(head) + 1
    for line in lines[:-1]:  # behind the last line break there is nothing, or a torn record
        if not found.take(line):
            break
        good += len(line) + 1
    with _told(path):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        os.ftruncate(descriptor, good)
    done = Done.of(found.ranges, sorted(found.failed) if failed_too else ())
    return Joblog(descriptor, done, found.offset, found.checkpoints, found.columns)


class _Records:
    """What the lines of a joblog say together."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self.ranges: list[tuple[int, int]] = []
        self.failed: set[int] = set()
        self.checkpoints: list[Checkpoint] = []
        self.columns: list[str] | None = None
        self.offset = 0

    def take(self, line: bytes) -> bool:
        """Whether the line counts, and so may the next one."""
        try:
            said = json.loads(line)
        except ValueError:
            return False
        if isinstance(said, dict):
            return self._name_columns(said["columns"]) if "columns" in said else self._checkpoint(said)
        if not isinstance(said, list) or len(said) < 3 or not all(type(part) is int for part in said):
            return False
        first, count, offset, *now_failed = said
        if self._most is not None and offset > self._most:
            return False  # answers that were lost with the machine's power
        self.offset = offset
        if self.ranges and sum(self.ranges[-1]) == first:
            self.ranges[-1] = self.ranges[-1][0], self.ranges[-1][1] + count
        else:
            self.ranges.append((first, count))
        self.failed.difference_update(_within(self.failed, first, count))
        self.failed.update(now_failed)
        return True

    def _name_columns(self, said: Any) -> bool:
        if not isinstance(said, list) or not all(isinstance(name, str) for name in said):
            return False
        self.columns = said
        return True

    def _checkpoint(self, said: dict[str, Any]) -> bool:
        line, digest = said.get("line"), said.get("digest")
        if type(line) is not int or not isinstance(digest, str):
            return False
        self.checkpoints.append((line, digest))
        thin(self.checkpoints)
        return True


def _within(failed: set[int], first: int, count: int) -> list[int]:
    """Those of the failed lines that have been run again."""
    if count < len(failed):
        return [line for line in range(first, first + count) if line in failed]
    return [line for line in failed if first <= line < first + count]


def _check(path: str, head: bytes, what: dict[str, Any]) -> None:
    try:
        said = json.loads(head)
    except ValueError:
        said = None
    if not isinstance(said, dict) or said.get("joblog") != VERSION:
        raise PitError("usage", f"{path} is not a joblog")
    for name, value in what.items():
        if said.get(name) != value:
            raise PitError(
                "usage", f"{path} is the joblog of another run: its {name} was {said.get(name)!r}, not {value!r}"
            )
