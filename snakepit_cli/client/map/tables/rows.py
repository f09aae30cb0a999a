"""CSV without I/O: bytes in as they come, rows out as soon as their last line is complete. Python's rules (`csv`)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import chain

from snakepit_cli.base.errors import PitError

MOST_CHARACTERS = 64 << 20
"""Of a row. A quote that is never closed would take in all that follows."""
_MARK = b"\xef\xbb\xbf"
_LIMIT = 2 * MOST_CHARACTERS
"""For the `csv` module; a row of so many characters is refused before it comes there."""
_CLOSES = re.compile(r'[^"]*+(?:""[^"]*+)*+"')
"""From within quotes to the one that closes them: two in a row stand for one."""


class _OverError(Exception):
    """No more lines are there. The `csv` module itself would take an open quote for closed."""


@dataclass
class Rows:
    """Rows that are complete. `lines` are the numbers of the lines in which they begin."""

    rows: list[list[str]] = field(default_factory=list)
    lines: Sequence[int] = ()
    faults: dict[int, str] = field(default_factory=dict)
    """What is wrong with a row, by its position; the row itself is only what can be said of it."""
    made: str = ""
    """Instead of rows: what `shortcut` has made of them."""


class RowParser:
    """Lines end in LF or CR LF. Blank lines are no rows. A byte order mark at the beginning is no part of the first."""

    def __init__(self, separator: str) -> None:
        csv.field_size_limit(_LIMIT)
        self._separator = separator
        self._parts: list[bytes] = []
        """Of a line that is not complete."""
        self._size = 0
        self._begun = False
        self._open: list[str] = []
        """Lines of a row that ends within quotes so far."""
        self._open_size = 0
        self._doubtful = False
        """Those lines hold bytes that are not UTF-8."""
        self._line = 1
        """Number of the first of them, or of the next line."""
        self.shortcut: Callable[[str], str | None] | None = None
        """Takes whole lines without quotes, and gives what is made of them; None when it cannot."""

    def feed(self, data: bytes) -> Rows:
        """More input. Raises PitError for a row without end."""
        self._parts.append(data)
        self._size += len(data)
        if b"\n" not in data:
            if self._size > MOST_CHARACTERS:
                raise PitError("invalid_arguments", f"line {self._line} is longer than {MOST_CHARACTERS >> 20} MiB")
            return Rows()
        whole = b"".join(self._parts)
        end = whole.rfind(b"\n") + 1
        self._parts = [whole[end:]] if end < len(whole) else []
        self._size = len(whole) - end
        return self._take(whole[:end])

    def end(self) -> Rows:
        """The input is over; what is left of it."""
        found = self._take(b"".join(self._parts))
        self._parts.clear()
        if self._open:
            start, line = self._line, self._line + self._begins()
            found.lines = [*found.lines, start]
            found.faults[len(found.rows)] = f"the quote that begins in line {line} is not closed"
            found.rows.append(["".join(self._open)])
            self._open.clear()
        return found

    # ------------------------------------------------------------------------------------------ lines

    def _take(self, data: bytes) -> Rows:
        """Whole lines."""
        if not self._begun:
            self._begun = True
            data = data.removeprefix(_MARK)
        try:
            text, doubtful = data.decode(), False
        except UnicodeDecodeError:
            text, doubtful = data.decode(errors="surrogateescape"), True
        found = None if self._open or doubtful or '"' in text else self._plain(text)
        if found is None:
            found, doubtful = self._careful(StringIO(text, newline="\n").readlines(), doubtful)
        if doubtful:
            _find_no_text(found)
        return _without_blank(found) if [] in found.rows else found

    def _plain(self, text: str) -> Rows | None:
        """Each line is a row: there are no quotes. None when something is wrong with one."""
        if self.shortcut is not None and (made := self.shortcut(text)) is not None:
            lines = range(self._line, self._line + text.count("\n"))
            self._line = lines.stop
            return Rows([], lines, made=made)
        try:
            rows = list(csv.reader(StringIO(text, newline="\n"), delimiter=self._separator))
        except csv.Error:
            return None
        lines = range(self._line, self._line + len(rows))
        self._line = lines.stop
        return Rows(rows, lines)

    def _careful(self, lines: list[str], doubtful: bool) -> tuple[Rows, bool]:
        """The rows, and whether any may hold bytes that are not UTF-8."""
        if self._open:
            doubtful = doubtful or self._doubtful
            if not self._closed_by(lines):
                self._keep_open(lines, doubtful)
                return Rows(), False
            lines, self._open = self._open + lines, []
        found, at = self._parse(lines)
        self._line += at
        self._open_size = 0
        self._keep_open(lines[at:], doubtful)
        return found, doubtful

    def _parse(self, lines: list[str]) -> tuple[Rows, int]:
        """The rows that are complete, and how many lines they take."""
        found, starts, at, passed = Rows(), list[int](), 0, 0
        source = iter(lines)
        reader = csv.reader(chain(source, _over()), delimiter=self._separator)
        while True:
            try:
                for row in reader:
                    found.rows.append(row)
                    starts.append(self._line + at)
                    at = passed + reader.line_num
            except _OverError:
                break
            except csv.Error:
                end = self._end_of(lines, at)
                if end is None:
                    break
                found.faults[len(found.rows)] = "a carriage return outside of quotes that does not end a line"
                found.rows.append(["".join(lines[at:end])])
                starts.append(self._line + at)
                for _ in range(end - passed - reader.line_num):  # of the same row
                    next(source)
                at = end
                passed = end - reader.line_num
        found.lines = starts
        return found, at

    # ----------------------------------------------------------------------------------------- quotes

    def _opened(self, line: str, opened: int | None) -> int | None:
        """Where the quote begins within which the line ends; -1 when before it, None when there is none.

        `opened` is the same of the line before it. As the `csv` module: a quote begins where a field does.
        """
        at = 0
        while True:
            if opened is not None:
                closes = _CLOSES.match(line, at)
                if closes is None:
                    return opened
                at = closes.end()
            elif line.startswith('"', at):
                opened, at = at, at + 1
                continue
            at = line.find(self._separator, at) + 1
            if not at:
                return None
            opened = None

    def _closed_by(self, lines: list[str]) -> bool:
        """Whether the open row ends with one of these."""
        opened: int | None = -1
        for line in lines:
            opened = self._opened(line, opened)
            if opened is None:
                return True
            opened = -1
        return False

    def _end_of(self, lines: list[str], first: int) -> int | None:
        """Behind the last line of a row; None when that is not there."""
        opened: int | None = None
        for number in range(first, len(lines)):
            opened = self._opened(lines[number], opened)
            if opened is None:
                return number + 1
            opened = -1
        return None

    def _begins(self) -> int:
        """In which of the open lines the last quote begins."""
        found, opened = 0, None
        for number, line in enumerate(self._open):
            opened = self._opened(line, opened)
            if opened is not None and opened >= 0:
                found = number
            opened = None if opened is None else -1
        return found

    def _keep_open(self, lines: list[str], doubtful: bool) -> None:
        self._open += lines
        self._open_size += sum(map(len, lines))
        self._doubtful = doubtful
        if self._open_size > MOST_CHARACTERS:
            line = self._line + self._begins()
            text = f"the quote that begins in line {line} is not closed within {MOST_CHARACTERS >> 20} MiB"
            raise PitError("invalid_arguments", text, hint="is a quote missing?")


def _over() -> Iterator[str]:
    raise _OverError
    yield  # a generator raises when it is asked, not when it is made


def _find_no_text(found: Rows) -> None:
    for position, row in enumerate(found.rows):
        try:
            "".join(row).encode()
        except UnicodeEncodeError:
            found.faults.setdefault(position, "the row is not UTF-8")


def _without_blank(found: Rows) -> Rows:
    kept = [position for position, row in enumerate(found.rows) if row]
    faults = {new: found.faults[old] for new, old in enumerate(kept) if old in found.faults}
    return Rows([found.rows[position] for position in kept], [found.lines[position] for position in kept], faults)
