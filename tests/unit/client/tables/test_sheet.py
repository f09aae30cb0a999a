"""Answers become rows of CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.blocks import Answers, Tally
from snakepit_cli.client.map.tables import sheet as sheet_module
from snakepit_cli.client.map.tables.plain_answers import PlainAnswers
from snakepit_cli.client.map.tables.sheet import Sheet


def part(first: int, *answers: Any, failed: Sequence[int] = (), tally: Tally | None = None) -> Answers:
    tally = tally or Tally()
    lines = [
        tally.failure(PitError("command_failed", str(answer)), first + n)
        if n in failed
        else json.dumps(answer).encode()
        for n, answer in enumerate(answers)
    ]
    return Answers(first, len(lines), b"".join(line + b"\n" for line in lines), tuple(first + n for n in failed))


def text(parts: list[Answers]) -> str:
    return b"".join(one.lines for one in parts).decode()


def test_the_first_answer_makes_the_header() -> None:
    sheet = Sheet(",", Tally())
    assert text(sheet.rows([part(1, {"b": 1, "a": None, "c": [1, {"x": "é"}], "d": True, "e": 'x,"y"\n'})])) == (
        'b,a,c,d,e,error\n1,,"[1,{""x"":""é""}]",true,"x,""y""\n",\n'
    )
    assert text(sheet.rows([part(2, {"a": 2.5, "b": False}, {"c": {}})])) == "false,2.5,,,,\n,,{},,,\n"


def test_many_rows_at_once_are_what_each_is_alone() -> None:
    answers = [{"a": 1, "b": "x"}, {"a": 2.5, "b": None}, {"a": True, "b": [2**70]}, {"b": "y", "a": 3}, {"a": 4}]
    each = Sheet(",", Tally())
    expected = "".join(text(each.rows([part(n, one)])) for n, one in enumerate(answers, 1))
    assert text(Sheet(",", Tally()).rows([part(1, *answers)])) == expected
    assert text(Sheet(",", Tally()).rows([part(1, *answers[:2])])) == "a,b,error\n1,x,\n2.5,,\n"
    assert f"[{2**70}]" in expected, "a large number stays one"


NAMES = st.sampled_from([["a"], ["a", "b"], ['"', "}", ","], ["é%", "a,b"], None])
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just([1]),
    st.text(st.sampled_from('ab" ,}{:\n\r\t\\é'), max_size=4), st.text(st.characters(codec="utf-8"), max_size=3),
)  # fmt: skip


@given(NAMES, st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=4), st.sampled_from(",\t"))
def test_plain_answers_become_what_all_answers_become(
    names: list[str] | None, rows: list[list[Any]], separator: str
) -> None:
    answers = [row[0] if names is None else dict(zip(names, row, strict=False)) for row in rows]
    lines = b"".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for one in answers)
    made = PlainAnswers(names, separator).rows(lines)
    sheet = Sheet(separator, Tally(), columns=names or [], begun=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sheet, "_quickly", lambda *_: None)
        slow = text(sheet.rows([Answers(1, len(rows), lines)]))
    assert made is None or list(csv.reader(io.StringIO(made.decode(), newline=""), delimiter=separator)) == list(
        csv.reader(io.StringIO(slow, newline=""), delimiter=separator)
    )
    simple = all(type(value) in {int, float, bool} or value == "a" for row in rows for value in row)
    assert made is not None or not simple


def test_answers_that_are_no_objects_have_one_column() -> None:
    assert text(Sheet("\t", Tally()).rows([part(1, 1, "a\tb", None, [1], {"result": 1})])) == (
        'result\terror\n1\t\n"a\tb"\t\n\t\n[1]\t\n"{""result"":1}"\t\n'
    )


def test_an_answer_that_does_not_fit_fails_alone() -> None:
    tally = Tally(place=lambda item: {"line": item + 1, "item": item})
    sheet = Sheet(",", tally, numbered=True)
    (found,) = sheet.rows([part(1, {"a": 1}, {"a": 1, "x": 2}, 5, {"a": 3}, "bad", failed=[4], tally=tally)])
    assert found.failed == (2, 3, 5)
    assert found.lines.decode().splitlines() == [
        "line,a,error", "2,1,",
        '3,,"invalid_result: the answer has a member `x`, which is not a column: the first answer did not have it"',
        '4,,"invalid_result: the answer is not an object, but the first one was"', "5,3,", "6,,command_failed: bad",
    ]  # fmt: skip
    assert tally.failed == 3
    assert tally.first_error is not None
    assert (tally.first_error["item"], tally.first_error["hint"]) == (2, "write it with --to jsonl")


def test_failures_before_the_first_answer_wait_for_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Sequence[str]] = []
    sheet = Sheet(",", Tally(), made=made.append)
    done = Answers(9, 3, b"")
    assert sheet.rows([part(1, "no", failed=[0]), done]) == [done]
    out = sheet.rows([part(2, "no", {"a": 1}, failed=[0])])
    assert [one.first for one in out] == [1, 2]
    assert text(out) == "a,error\n,command_failed: no\n,command_failed: no\n1,\n"
    assert made == [("a",)]
    assert sheet.rest() == b""
    alone = Sheet(",", Tally(), made=made.append)
    assert alone.rows([part(1, "no", failed=[0])]) == []
    assert alone.rest() == b"error\ncommand_failed: no\n"
    assert len(made) == 1
    monkeypatch.setattr(sheet_module, "MOST_HELD", 3)
    with pytest.raises(PitError, match="the first 3 items have failed"):
        Sheet(",", Tally()).rows([part(1, *"abcd", failed=range(4))])


def test_an_earlier_run_has_written_the_header() -> None:
    sheet = Sheet(",", Tally(), columns=["a"], begun=True)
    assert text(sheet.rows([part(5, {"a": 1})])) == "1,\n"
    made: list[Sequence[str]] = []
    Sheet(",", Tally(), made=made.append).rows([part(1, 1)])
    assert made == [()]
    assert (
        text(Sheet(",", Tally(), columns=made[0], begun=True).rows([part(5, {"result": 1})])) == '"{""result"":1}",\n'
    )
    assert text(Sheet(",", Tally(), columns=["a"], begun=False).rows([part(1, {"a": 1})])) == "a,error\n1,\n"


@pytest.mark.parametrize(("answer", "numbered"), [({"error": 1}, False), ({"line": 1}, True)])
def test_a_member_with_the_name_of_another_column(answer: Any, numbered: bool) -> None:
    with pytest.raises(PitError, match="the name of another column"):
        Sheet(",", Tally(), numbered=numbered).rows([part(1, answer)])


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8")), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
        ),
        max_size=5,
    )
)
def test_what_is_written_can_be_read(rows: list[tuple[str, int, float]]) -> None:
    answers = [{"a": "x", "b": 0, "c": 1}, *(dict(zip("abc", row, strict=True)) for row in rows)]
    written = text(Sheet(",", Tally()).rows([part(1, *answers)]))
    found = list(csv.reader(io.StringIO(written, newline="")))[2:]
    assert [(a, int(b), float(c)) for a, b, c, _ in found] == rows


def test_text_that_is_none_fails_alone() -> None:
    lines = b'{"a":"x"}\n{"a":"\\ud800"}\n{"a":"y"}\n'
    (found,) = Sheet(",", Tally()).rows([Answers(1, 3, lines)])
    assert found.failed == (2,)
    assert b"cannot be written" in found.lines
