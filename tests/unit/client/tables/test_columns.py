"""Rows become the arguments that their command takes."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.tables.columns import Columns, check_names


def parameter(name: str, kind: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "type": kind, "required": required}


def made(rows: list[list[str]], columns: Columns) -> list[Any]:
    """The arguments of each row, or its error."""
    text, errors = columns.lines(rows, {})
    return [errors[n].message if n in errors else json.loads(line) for n, line in enumerate(text.split("\n")[:-1])]


def one(kind: str, text: str, *, required: bool = True) -> Any:
    columns = Columns(["a"], [parameter("a", kind, required=required)], ",")
    (alone,) = made([[text]], columns)
    (among, *_) = made([[text], ["\n"]], columns) if not kind else [alone]
    assert among == alone
    return alone


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("", "5", {"a": "5"}),
        ("str", "true", {"a": "true"}),
        ("Any", "1", {"a": "1"}),
        ("int | str", "1", {"a": "1"}),
        ("list[int]", "1", {"a": "1"}),
        ("Literal['a', 'b']", "a", {"a": "a"}),
        ("int", "5", {"a": 5}),
        ("int", "-0", {"a": 0}),
        ("int", "007", {"a": 7}),
        ("int", " +5 ", {"a": 5}),
        ("int", "9" * 30, {"a": int("9" * 30)}),
        ("int", "1_000", "column `a`: '1_000' is not an integer"),
        ("int", "1.0", "column `a`: '1.0' is not an integer"),
        ("int64", "5", {"a": 5}),
        ("float", "5", {"a": 5}),
        ("float", "2.50", {"a": 2.5}),
        ("float", ".5", {"a": 0.5}),
        ("float", "1e3", {"a": 1000.0}),
        ("float", "nan", "column `a`: 'nan' is not a number"),
        ("float", "1e999x", "column `a`: '1e999x' is not a number"),
        ("Optional[float]", "x" * 60, f"column `a`: '{'x' * 40}…' is not a number"),
        ("Annotated[int, 'a, b']", "5", {"a": 5}),
        ("Union[int, float, None]", "5", {"a": 5}),
        ("bool", "TRUE", {"a": True}),
        ("bool", "0", {"a": False}),
        ("bool | None", "yes", "column `a`: 'yes' is not true or false"),
    ],
)
def test_types(kind: str, text: str, expected: Any) -> None:
    found = one(kind, text)
    assert found == expected
    assert isinstance(found, str) or type(found["a"]) is type(expected["a"])


@pytest.mark.parametrize(
    ("kind", "required", "expected"),
    [
        ("str", True, {"a": ""}), ("", True, {"a": ""}), ("int", True, {"a": ""}), ("str", False, {}),
        ("int", False, {}), ("int | None", True, {"a": None}), ("Optional[str]", True, {"a": None}),
        ("str | None", False, {}),
    ],
)  # fmt: skip
def test_empty_fields(kind: str, required: bool, expected: Any) -> None:
    assert one(kind, "", required=required) == expected


def test_what_the_command_does_not_say_is_text() -> None:
    assert made([["", "1"]], Columns(["x", "y"], [parameter("a", "int")], ",")) == [{"x": "", "y": "1"}]


def test_a_row_can_become_one_argument() -> None:
    columns = Columns(["a", "%s"], [parameter("a", "int")], ",", whole='r"%')
    assert made([["1", "x"]], columns) == [{'r"%': {"a": "1", "%s": "x"}}]
    assert columns.at_once("1,x\n") == columns.lines([["1", "x"]], {})[0]


def test_only_the_row_fails_with_which_something_is_wrong() -> None:
    columns = Columns(["a", "b"], [parameter("a", "int")], ",")
    text, errors = columns.lines([["1", "x"], ["2"], ["x", "y"], ["3", "\udcff"], ["4", "z"]], {3: "odd"})
    assert [json.loads(line) for n, line in enumerate(text.split("\n")[:-1]) if n not in errors] == [
        {"a": 1, "b": "x"}, {"a": 4, "b": "z"},
    ]  # fmt: skip
    assert {n: error.message for n, error in errors.items()} == {
        1: "the row has 1 field, the header 2", 2: "column `a`: 'x' is not an integer", 3: "odd",
    }  # fmt: skip
    assert text.isascii(), "what stands for a row that is no text can be written"


FIELDS = st.one_of(st.text(max_size=5), st.from_regex(r"-?[0-9]{1,3}(\.[0-9]+)?", fullmatch=True), st.just(""))
KINDS = st.sampled_from(["", "str", "int", "float", "bool", "int | None"])


@example([("", "\r")], "", "", True)
@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=6), KINDS, KINDS, st.booleans())
def test_many_rows_at_once_become_what_each_becomes_alone(
    rows: list[tuple[str, str]], first: str, second: str, required: bool
) -> None:
    columns = Columns(["a", 'b"%'], [parameter("a", first, required=required), parameter('b"%', second)], ",")
    each = [made([list(row)], columns)[0] for row in rows]
    assert made([list(row) for row in rows], columns) == each
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # quotes what could be taken for the end of a line
    quick = columns.at_once(text.getvalue())
    assert quick is None or [json.loads(line) for line in quick.split("\n")[:-1]] == each


@pytest.mark.parametrize("whole", [None, "a%"])
def test_empty_fields_do_not_slow_down_the_rows_around_them(monkeypatch: pytest.MonkeyPatch, whole: str | None) -> None:
    parameters = [
        parameter("a", "int", required=False), parameter("b", "str | None"), parameter("%", "str", required=False),
    ]  # fmt: skip
    columns = Columns(["a", "b", "%"], parameters, ",", whole=whole)
    rows = [["1", "", ",}"], ["", "x", ""], ["", "", ",}\n"], ["2", ",}}\n", ""]]
    each = [made([row], columns)[0] for row in rows]
    monkeypatch.setattr(Columns, "_apart", None)
    assert made(rows, columns) == each
    assert each[1] == ({"b": "x"} if whole is None else {"a%": {"a": "", "b": "x", "%": ""}})


@pytest.mark.parametrize("text", ["1,2\n", "1,2\r\n3,4\r\n", "é,\x7f\n"])
def test_the_quick_way_is_taken_by_plain_rows(text: str) -> None:
    assert Columns(["a", "b"], [], ",").at_once(text) is not None


@pytest.mark.parametrize("text", ["\n", "1\n\n", "1,2\n", "a\\b\n", "a\tb\n", "a\rb\n", "1"])
def test_the_quick_way_leaves_the_others(text: str) -> None:
    assert Columns(["a"], [], ",").at_once(text) is None


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a", ""], "column 2 has no name"),
        (["a", "b", "a"], "2 columns have the name 'a'"),
        (["a\0"], "NUL"),
        (["x" * 2000], "more than 1,024 characters"),
        (["x"] * 20_000, "more than 16,384"),
    ],
)
def test_names_that_are_refused(names: list[str], text: str) -> None:
    with pytest.raises(PitError, match=text):
        check_names(names, "line 1, the names of the columns")
