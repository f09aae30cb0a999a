"""What a run asks of a table: more items, and what is known of each by its number."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.descriptors import is_file, read, waits
from snakepit_cli.client.map.tables.columns import Columns, check_names
from snakepit_cli.client.map.tables.items import Faults, Places
from snakepit_cli.client.map.tables.rows import RowParser, Rows

_READ = 1 << 18
_LEAST_READ = 1 << 12
_MOST_LINES = 1 << 21
"""Bytes that one read should become, at most."""


class Table:
    """Base: items are counted from 1, and made as JSON lines. Holds no more than it was asked for."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._taken = 0
        """Bytes of the input, of those lines."""
        self._made = 0
        """Bytes of lines."""

    def read(self) -> bytes | None:
        """The lines of some more items; none when no item is complete yet, None at the end. Raises PitError."""
        raise NotImplementedError

    def late(self) -> bool:
        """Whether `read` might have to wait for the input."""
        raise NotImplementedError

    def place(self, item: int) -> dict[str, Any]:
        """Members of an error that say where the item is."""
        return {"line": item}

    def forget(self, before: int) -> None:
        """Items before this one are done."""

    def expected(self) -> int | None:
        """About how many bytes all lines will be; None when that is unknown."""
        return None


class CsvTable(Table):
    """CSV from a descriptor. The first row has the names of the columns."""

    def __init__(
        self, descriptor: int, separator: str, parameters: Iterable[dict[str, Any]], *, whole: str | None = None
    ) -> None:
        """`parameters` are those of the command; `whole` is the argument that a row becomes, None for one each."""
        super().__init__()
        self._descriptor = descriptor
        self._parser = RowParser(separator)
        self._separator = separator
        self._parameters = list(parameters)
        self._whole = whole
        self._columns: Columns | None = None
        self._places = Places()
        self._items = 0
        self._ended = False
        self._size = os.fstat(descriptor).st_size if is_file(descriptor) else 0

    def read(self) -> bytes | None:
        if self._ended:
            return None
        # A few bytes may become many: the names of the columns are in every line.
        most = _LEAST_READ if self._columns is None else min(_READ, int(_MOST_LINES / self._columns.growth))
        data = read(self._descriptor, max(_LEAST_READ, most), self._size)
        self._ended = not data
        self._taken += len(data)
        lines = self._lines(self._parser.feed(data) if data else self._parser.end())
        self._made += len(lines)
        return lines

    def late(self) -> bool:
        return not self._ended and waits(self._descriptor)

    def place(self, item: int) -> dict[str, Any]:
        return {"line": self._places.line(item), "item": item}

    def forget(self, before: int) -> None:
        self._places.forget(before)

    def expected(self) -> int | None:
        return int(self._size * self._made / self._taken) if self._size and self._made else None

    def _lines(self, found: Rows) -> bytes:
        if self._columns is None and found.rows:
            self._columns = self._header(found)
            self._parser.shortcut = self._columns.at_once
        first, count = self._items + 1, len(found.lines)
        self._places.add(first, found.lines)
        self._items += count
        if not found.rows or self._columns is None:
            return found.made.encode()
        lines, errors = self._columns.lines(found.rows, found.faults)
        for position, error in errors.items():
            self.faults.add(first + position, error)
        return lines.encode()

    def _header(self, found: Rows) -> Columns:
        """Takes the first row away. Raises PitError."""
        names, line, wrong = found.rows.pop(0), found.lines[0], found.faults.pop(0, None)
        found.lines = found.lines[1:]
        found.faults = {position - 1: text for position, text in found.faults.items()}
        if wrong is not None:
            hint = "the input has to be UTF-8, and its lines to end in LF or CR LF"
            raise PitError("invalid_arguments", f"line {line}, the names of the columns: {wrong}", hint=hint)
        check_names(names, f"line {line}, the names of the columns")
        return Columns(names, self._parameters, self._separator, whole=self._whole)
