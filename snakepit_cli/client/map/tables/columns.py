"""Rows of text become JSON lines: the names of the columns are arguments, and their types those of the command.

Most fields stand in JSON as they stand in the row, so most rows are only checked, many at once, and put into place.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from json.encoder import encode_basestring
from typing import Any

from snakepit_cli.base.errors import PitError

MOST_COLUMNS = 16_384
_MOST_CHARACTERS = 1024
"""Of a name. Each is in every line."""
Json = dict[str, Any]


def check_names(names: Sequence[str], where: str) -> None:
    """Raises PitError for names that no arguments can have; `where` are they."""
    if len(names) > MOST_COLUMNS:
        raise _refused(f"{where}: there are more than {MOST_COLUMNS:,}")
    if max(map(len, names)) > _MOST_CHARACTERS:
        raise _refused(f"{where}: one has more than {_MOST_CHARACTERS:,} characters", "does the input begin with them?")
    if "" in names:
        raise _refused(f"{where}: column {names.index('') + 1} has no name")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise _refused(f"{where}: {count} columns have the name {name!r}")
    if any("\0" in name for name in names):
        raise _refused(f"{where}: the name of a column holds a NUL", "is it text, as UTF-8?")


def _refused(text: str, hint: str = "the names of the columns become arguments") -> PitError:
    return PitError("invalid_arguments", text, hint=hint)


# --------------------------------------------------------------------------------------------- one field


def _int(text: str) -> str:
    if "_" in text:  # Python's own way to write numbers
        raise ValueError
    return str(int(text))


def _number(text: str) -> str:
    try:
        return _int(text)
    except ValueError:
        value = float(text)
    if "_" in text or not math.isfinite(value):
        raise ValueError
    return repr(value)


_BOOLS = {"true": "true", "false": "false", "1": "true", "0": "false"}


def _bool(text: str) -> str:
    try:
        return _BOOLS[text.strip().lower()]
    except KeyError:
        raise ValueError from None


_WHOLE = "-?(?:0|[1-9][0-9]*+)"
_INTS = {"int", "integer", *(f"{sign}int{bits}" for sign in ("", "u") for bits in ("", 8, 16, 32, 64))}
_NUMBERS = {*_INTS, "float", "number", "numeric", "float32", "float64", "double"}


@dataclass(frozen=True)
class Kind:
    """What a field is in JSON when it is not text. `pattern` is how it looks when it can stay as it is."""

    what: str
    pattern: str
    convert: Callable[[str], str]
    """The JSON of a field that looks different. Raises ValueError."""


_INT = Kind("an integer", _WHOLE, _int)
_NUMBER = Kind("a number", rf"{_WHOLE}(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+", _number)
_BOOL = Kind("true or false", "(?:true|false)", _bool)


class Column:
    """What becomes of the fields of a column."""

    def __init__(self, name: str, parameter: Json | None) -> None:
        annotation = "" if parameter is None else str(parameter.get("type") or "")
        kinds, nullable = _kinds(annotation)
        self.name = name
        self.key = encode_basestring(name)
        self.kind = _kind(kinds)
        self.optional = parameter is not None and not parameter.get("required")
        """An empty field is left out."""
        self.nullable = nullable and not self.optional
        """An empty field is null."""
        self._many = None if self.kind is None else re.compile(rf"(?:{self.kind.pattern}\n)*+")

    def pattern(self, separator: str) -> str:
        """A field that can stay as it is, between quotes if it is text."""
        if self.kind is not None:
            return self.kind.pattern
        return rf'[^{separator}"\\\x00-\x1f]{"+" if self.optional or self.nullable else "*"}+'

    def all(self, fields: list[str]) -> list[str] | None:
        """The JSON of each, none where it is left out. None when one has to be looked at."""
        if not (self.optional or self.nullable) or "" not in fields:
            return self._given(fields)
        found = self._given([field for field in fields if field])
        if found is None:
            return None
        given, empty = iter(found), "null" if self.nullable else ""
        return [next(given) if field else empty for field in fields]

    def _given(self, fields: list[str]) -> list[str] | None:
        if self._many is None:
            return list(map(encode_basestring, fields))
        text = "".join([f"{field}\n" for field in fields])
        return fields if text.count("\n") == len(fields) and self._many.fullmatch(text) else None

    def one(self, text: str) -> str | None:
        """The JSON of a field; None when it is left out. Raises PitError."""
        if not text:
            return None if self.optional else "null" if self.nullable else '""'
        if self.kind is None:
            return encode_basestring(text)
        try:
            return text if re.fullmatch(self.kind.pattern, text) else self.kind.convert(text)
        except ValueError:
            shown = text if len(text) <= 40 else f"{text[:40]}…"
            raise PitError("invalid_arguments", f"column `{self.name}`: {shown!r} is not {self.kind.what}") from None


def _kind(kinds: set[str]) -> Kind | None:
    if not kinds:
        return None
    if kinds <= {"bool", "boolean"}:
        return _BOOL
    return _INT if kinds <= _INTS else _NUMBER if kinds <= _NUMBERS else None


def _kinds(annotation: str) -> tuple[set[str], bool]:
    """The types that an annotation allows, in small letters, without None; and whether it allows None."""
    text = annotation.replace(" ", "")
    for head in ("Optional[", "Union[", "Annotated["):
        if text.startswith(head) and text.endswith("]"):
            parts = _parts(text[len(head) : -1], ",")
            if head == "Annotated[":
                return _kinds(parts[0])
            return _union([*parts, *(["None"] if head == "Optional[" else [])])
    parts = _parts(text, "|")
    return _union(parts) if len(parts) > 1 else ({text.lower()} - {""}, False)


def _union(parts: Iterable[str]) -> tuple[set[str], bool]:
    kinds: set[str] = set()
    nullable = False
    for part in parts:
        if part in {"None", "NoneType"}:
            nullable = True
            continue
        inner, also = _kinds(part)
        kinds |= inner
        nullable |= also
    return kinds, nullable


def _parts(text: str, separator: str) -> list[str]:
    """Apart at the separators that are not within brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character in "[(") - (character in "])")
        if character == separator and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


# ---------------------------------------------------------------------------------------------- all rows


class Columns:
    """Makes JSON lines of rows. `whole` is the argument that a row becomes as an object; None: each column is one."""

    def __init__(
        self, names: Sequence[str], parameters: Iterable[Json], separator: str, *, whole: str | None = None
    ) -> None:
        known = {} if whole is not None else {one["name"]: one for one in parameters}
        self._columns = [Column(name, known.get(name)) for name in names]
        self._separator = separator
        self._around = ("{", "}") if whole is None else (f"{{{encode_basestring(whole)}:{{", "}}")
        self._quoted = self._template('"%s"')
        self._bare = self._template("%s")
        fields = [one.pattern(separator) for one in self._columns]
        if len(fields) == 1 and fields[0].endswith("*+"):  # a blank line is no row
            fields[0] = f"{fields[0][:-2]}++"
        self.growth = len(self._quoted) / len(self._columns)
        """How many bytes of lines, about and at most, a byte of short fields becomes."""
        self._plain = re.compile(f"(?:{separator.join(fields)}\n)*+")

    def _template(self, text: str) -> str:
        members = (
            f"{one.key.replace('%', '%%')}:{text if one.kind is None else '%s'}" for one in self._columns
        )  # fmt: skip
        before, after = self._around
        return f"{before.replace('%', '%%')}{','.join(members)}{after}\n"

    def at_once(self, text: str) -> str | None:
        """The JSON of whole lines that have no quotes; None when one of them has to be looked at."""
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if not self._plain.fullmatch(text):
            return None
        rows = text.count("\n")
        fields = text.replace("\n", self._separator).split(self._separator)
        del fields[-1]
        return (self._quoted * rows) % tuple(fields)

    def lines(self, rows: list[list[str]], faults: dict[int, str]) -> tuple[str, dict[int, PitError]]:
        """One line for each row, and the errors by position. `faults` are those that are known already."""
        made = None if faults else self._together(rows)
        return (made, {}) if made is not None else self._apart(rows, faults)

    def _together(self, rows: list[list[str]]) -> str | None:
        """Column by column. None when one row has to be looked at."""
        width = len(self._columns)
        if set(map(len, rows)) != {width}:
            return None
        fields = list(chain.from_iterable(rows))
        sparse = False
        for number, column in enumerate(self._columns):
            found = column.all(fields[number::width])
            if found is None:
                return None
            fields[number::width] = found
            sparse = sparse or (column.optional and "" in found)
        if sparse:
            return self._sparse(fields)
        return (self._bare * len(rows)) % tuple(fields)

    def _sparse(self, fields: list[str]) -> str:
        """As `_together`, with members that are left out. Changes the fields."""
        width = len(self._columns)
        for number, column in enumerate(self._columns):
            key = column.key
            fields[number::width] = [f"{key}:{field}," if field else "" for field in fields[number::width]]
        before, after = (part.replace("%", "%%") for part in self._around)
        row = f"{before}{'%s' * width}{after}\n"
        # No text has a line break in it: only the end of a row looks so.
        return ((row * (len(fields) // width)) % tuple(fields)).replace(f",{after}\n", f"{after}\n")

    def _apart(self, rows: list[list[str]], faults: dict[int, str]) -> tuple[str, dict[int, PitError]]:
        lines, errors = [], {}
        for position, row in enumerate(rows):
            try:
                if position in faults:
                    raise PitError("invalid_arguments", faults[position], hint="")
                lines.append(self._line(row))
            except PitError as error:
                errors[position] = error
                lines.append(json.dumps(row) + "\n")  # stands for the row in the fingerprint
        return "".join(lines), errors

    def _line(self, row: list[str]) -> str:
        """Raises PitError."""
        if len(row) != len(self._columns):
            count = f"{len(row)} field{'' if len(row) == 1 else 's'}"
            raise PitError("invalid_arguments", f"the row has {count}, the header {len(self._columns)}", hint="")
        made = []
        for column, text in zip(self._columns, row, strict=True):
            if (value := column.one(text)) is not None:
                made.append(f"{column.key}:{value}")
        before, after = self._around
        return f"{before}{','.join(made)}{after}\n"
