"""CSV that comes in pieces gives the rows that Python's `csv` module finds in the whole."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.tables import rows as rows_module
from snakepit_cli.client.map.tables.rows import RowParser

Found = list[tuple[int, list[str] | str]]
"""Line in which a row begins, and the row, or what is wrong with it."""


def parsed(data: bytes, size: int, separator: str = ",") -> Found:
    parser, out = RowParser(separator), Found()
    for at in [*range(0, len(data), size), None]:
        found = parser.end() if at is None else parser.feed(data[at : at + size])
        for position, (row, line) in enumerate(zip(found.rows, found.lines, strict=True)):
            out.append((line, found.faults.get(position, row)))
    return out


def whole(text: str, separator: str = ",") -> Found:
    """What the module says, given all lines at once."""
    reader, out, line = csv.reader(io.StringIO(text, newline="\n"), delimiter=separator), Found(), 1
    for row in reader:
        if row:
            out.append((line, row))
        line = reader.line_num + 1
    return out


PIECES = st.sampled_from(["a", "é", '"', '""', ",", "\n", "\r\n", '","', '\n"', '"\n', "\t", " ", "\0"])


@given(st.lists(PIECES, max_size=25).map("".join), st.integers(1, 9), st.sampled_from([",", "\t"]))
def test_it_is_what_the_module_says_wherever_the_reads_end(text: str, size: int, separator: str) -> None:
    found = parsed(text.encode(), size, separator)
    expected = whole(text, separator)
    if found and "is not closed" in found[-1][1]:
        assert found[-1][0] == expected[-1][0]
        found.pop()
        expected.pop()  # the module takes the end of the input for the missing quote
    assert found == expected


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\xef\xbb\xbfa,b\r\n1,2", [(1, ["a", "b"]), (2, ["1", "2"])]),
        (b'a\n"x\ny"\n\nz\n', [(1, ["a"]), (2, ["x\ny"]), (5, ["z"])]),
        (b'"say ""hi""",5" pipe\n', [(1, ['say "hi"', '5" pipe'])]),
        (b'1,"a\r\nb"\r\n2,c\r\n', [(1, ["1", "a\r\nb"]), (3, ["2", "c"])]),
        (b'1,"a\rb"\n', [(1, ["1", "a\rb"])]),
        (b"a\0b,c\n", [(1, ["a\0b", "c"])]),
        (b'""\n', [(1, [""])]),
    ],
)
def test_files_as_people_have_them(data: bytes, expected: Found, size: int) -> None:
    assert parsed(data, size) == expected


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_row_with_something_wrong_leaves_the_others_alone(size: int) -> None:
    data = b'1,2\n\xff,"\xfe\n"\n3,4\nold\rmac,"x\ny"\n5,6\n7,"8\n"",\n9'
    found = parsed(data, size)
    assert [line for line, _ in found] == [1, 2, 4, 5, 7, 8]
    assert [row for _, row in found if isinstance(row, list)] == [["1", "2"], ["3", "4"], ["5", "6"]]
    assert found[1][1] == "the row is not UTF-8"
    assert "carriage return" in found[3][1]
    assert found[5][1] == "the quote that begins in line 8 is not closed"


def test_the_line_is_that_of_the_quote_not_of_the_row() -> None:
    assert parsed(b'"a\nb","c\nd\n', 3) == [(1, "the quote that begins in line 2 is not closed")]


def test_a_row_is_given_as_soon_as_its_last_line_is_complete() -> None:
    parser = RowParser(",")
    for data, expected in ((b"a,b", []), (b"\n1", [["a", "b"]]), (b',"x\n', []), (b'y"\n', [["1", "x\ny"]])):
        assert parser.feed(data).rows == expected


def test_a_field_of_a_megabyte() -> None:
    text = "x" * (1 << 20)
    assert parsed(f'1,"{text}\n"\n'.encode(), 1 << 16) == [(1, ["1", text + "\n"])]


def test_a_quote_that_is_never_closed_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MOST_CHARACTERS", 1 << 20)
    parser = RowParser(",")
    parser.feed(b'a,b\n1,2\n3,"')
    for _ in range(1048):
        assert parser.feed(b"x" * 999 + b"\n").rows == []
    with pytest.raises(PitError, match=r"the quote that begins in line 3 is not closed within 1 MiB"):
        parser.feed(b"x" * 999 + b"\n")
    with pytest.raises(PitError, match="line 1 is longer than 1 MiB"):
        RowParser(",").feed(b"x" * (2 << 20))


def test_a_row_of_many_lines_costs_no_more_than_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that come one by one are looked at once, and parsed once."""
    seen: list[str] = []
    inner = RowParser._opened
    monkeypatch.setattr(
        RowParser, "_opened", lambda self, line, opened: (seen.append(line), inner(self, line, opened))[1]
    )
    parser = RowParser(",")
    parser.feed(b'"a\n')
    for _ in range(500):
        parser.feed(b'b"",""\n')
    assert parser.feed(b'"\n').rows == [["a\n" + 'b","\n' * 500]]
    assert len(seen) < 2 * 502
