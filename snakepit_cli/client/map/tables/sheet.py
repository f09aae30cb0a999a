"""Answers as CSV. The first answer decides which columns there are: a header that has been written cannot change."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from itertools import chain
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.blocks import Answers, Tally
from snakepit_cli.client.map.tables.columns import MOST_COLUMNS
from snakepit_cli.client.map.tables.plain_answers import PlainAnswers

ERROR = "error"
"""The last column: what went wrong. Empty for an item that did not fail."""
LINE = "line"
RESULT = "result"
"""The only column when answers are not objects."""
MOST_HELD = 10_000
"""Items that may fail before the first answer says what the columns are."""
_HINT = "write it with --to jsonl"
_PLAIN = {str, int, float, type(None)}
_WORDS = {True: "true", False: "false"}


class Sheet:
    """Makes rows of the lines of answers, in the order in which they are to be written."""

    def __init__(
        self, separator: str, tally: Tally, *, numbered: bool = False,
        columns: Sequence[str] | None = None, begun: bool = False, made: Callable[[Sequence[str]], None] | None = None,
    ) -> None:  # fmt: skip
        """`columns` are those of an earlier run, `begun`: it has written them. `made` is told of new ones.

        No columns mean that answers are no objects.
        """
        self._tally = tally
        self._numbered = numbered
        self._single = columns is not None and not columns
        self._names = None if columns is None else tuple(columns) or (RESULT,)
        self._begun = begun
        self._made = made
        self._held: list[Answers] = []
        self._held_items = 0
        self._separator = separator
        self._plain: PlainAnswers | None = None
        self._decoder = msgspec.json.Decoder()

    def rows(self, parts: Iterable[Answers]) -> list[Answers]:
        """Makes rows of these answers. Failures before the first answer are held back. Raises PitError."""
        out = []
        for part in parts:
            if not part.lines:  # done by an earlier run
                out.append(part)
                continue
            if self._names is None and not self._learn(part):
                self._hold(part)
                continue
            held, self._held = self._held, []
            out += [self._as_rows(one) for one in [*held, part]]
        return out

    def rest(self) -> bytes:
        """The failures that were held back, when no answer has come: rows without columns."""
        held, self._held = self._held, []
        return b"".join(self._as_rows(one).lines for one in held)

    def _hold(self, part: Answers) -> None:
        self._held.append(part)
        self._held_items += len(part.failed)
        if self._held_items > MOST_HELD:
            text = f"the first {MOST_HELD:,} items have failed, and so the columns of the output are not known"
            raise PitError("partial_failure", text, hint=_HINT)

    def _learn(self, part: Answers) -> bool:
        """Whether there is an answer from which the columns are known now. Raises PitError."""
        failed = {number - part.first for number in part.failed}
        lines = part.lines.split(b"\n")[:-1]
        first = next((line for position, line in enumerate(lines) if position not in failed), None)
        if first is None:
            return False
        value = self._value(first)
        self._single = not isinstance(value, dict) or not value
        names = (RESULT,) if self._single else tuple(value)
        taken = {ERROR, *([LINE] if self._numbered else [])}.intersection(names)
        if taken:
            text = f"the answers have a member `{min(taken)}`, which is the name of another column of the output"
            raise PitError("invalid_result", text, hint=_HINT)
        if len(names) > MOST_COLUMNS:
            raise PitError("invalid_result", f"an answer has more than {MOST_COLUMNS:,} members", hint=_HINT)
        self._names = names
        if self._made is not None:
            self._made(() if self._single else names)
        return True

    # ------------------------------------------------------------------------------------------- rows

    def _as_rows(self, part: Answers) -> Answers:
        names = self._names or ()
        if self._begun and not part.failed and not self._numbered and (made := self._quickly(part.lines)) is not None:
            return Answers(part.first, part.count, made)
        values = self._values(part.lines)
        rows = None if part.failed or self._numbered else self._alike(values, names)
        failed: Sequence[int] = ()
        if rows is None:
            rows, failed = self._each(values, part, names)
        if not self._begun:
            self._begun = True
            rows.insert(0, [*([LINE] if self._numbered else []), *names, ERROR])
        return Answers(part.first, part.count, self._text(rows).encode(), tuple(failed))

    def _quickly(self, lines: bytes) -> bytes | None:
        if self._plain is None:
            self._plain = PlainAnswers(None if self._single else self._names, self._separator)
        return self._plain.rows(lines)

    def _alike(self, values: list[Any], names: tuple[str, ...]) -> list[list[Any]] | None:
        """The rows of answers that all have what the first one had; None when one has to be looked at."""
        if self._single:
            rows = [[value, ""] for value in values]
        elif set(map(type, values)) == {dict} and set(map(tuple, values)) == {names}:
            rows = [[*value.values(), ""] for value in values]
        else:
            return None
        return rows if _PLAIN.issuperset(map(type, chain.from_iterable(rows))) else None

    def _each(
        self, values: list[Any], part: Answers, names: tuple[str, ...]
    ) -> tuple[list[list[Any]], list[int]]:  # fmt: skip
        """The rows one by one, and which items failed."""
        failed, rows = set(part.failed), []
        for number, value in enumerate(values, part.first):
            found = value if number in failed else None
            if found is None:
                try:
                    row = self._row(value, names)
                except PitError as error:
                    failed.add(number)
                    found = json.loads(self._tally.failure(error, number))
            if found is not None:
                row = [*([""] * len(names)), f"{found[ERROR]['kind']}: {found[ERROR]['message']}"]
            if self._numbered:
                row = [found[ERROR][LINE] if found else self._tally.line(number), *row]
            rows.append(row)
        return rows, sorted(failed)

    def _text(self, rows: Iterable[Sequence[Any]]) -> str:
        text = StringIO()
        csv.writer(text, delimiter=self._separator, lineterminator="\n").writerows(rows)
        if "\r" not in (found := text.getvalue()):
            return found
        # Only where it is a part of the line's end is a CR put into quotes (until Python 3.13).
        lines = _Lines()
        csv.writer(lines, delimiter=self._separator, lineterminator="\r\n").writerows(rows)
        return "".join(lines.found)

    def _values(self, lines: bytes) -> list[Any]:
        try:
            return self._decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._value(line) for line in lines.split(b"\n")[:-1]]

    def _value(self, line: bytes) -> Any:
        """What cannot be decoded is an error in the place of the value."""
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return PitError("invalid_result", "the answer cannot be written as a row", hint=_HINT)

    def _row(self, value: Any, names: tuple[str, ...]) -> list[Any]:
        """The fields of an answer, by its columns. Raises PitError for one that does not fit them."""
        if isinstance(value, PitError):
            raise value
        if self._single:
            return [_field(value), ""]
        if not isinstance(value, dict):
            raise PitError("invalid_result", "the answer is not an object, but the first one was", hint=_HINT)
        if tuple(value) == names:
            row = [*value.values(), ""]
            return row if _PLAIN.issuperset(map(type, row)) else [_field(one) for one in row]
        if unknown := [name for name in value if name not in names]:
            text = f"the answer has a member `{unknown[0]}`, which is not a column: the first answer did not have it"
            raise PitError("invalid_result", text, hint=_HINT)
        return [*(_field(value.get(name)) for name in names), ""]


class _Lines:
    """Takes lines that end in CR LF; they end in LF then."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def write(self, line: str) -> None:
        self.found.append(line.removesuffix("\r\n") + "\n")


def _field(value: Any) -> Any:
    """The field of a value: null is empty; lists and objects are JSON text."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    # msgspec would make a string of a large number.
    return _WORDS[value] if kind is bool else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
