"""The showcase adapter, held against the standard library."""

from __future__ import annotations

import csv
import io
import math
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snakepit_bridge import CallContext
from snakepit_bridge.adapters.showcase import ShowcaseAdapter
from snakepit_bridge.adapters.showcase.columns import MISSING, ColumnStatistics, DistinctCounter
from snakepit_bridge.adapters.showcase.loglines import severity_of, timestamp_of

SHOWCASE = ShowcaseAdapter()


# ------------------------------------------------------------------------------------------------ basics


def test_ping_and_echo() -> None:
    answer = SHOWCASE.ping()
    assert answer["status"] == "pong"
    assert "message" not in answer
    assert SHOWCASE.ping("hi")["message"] == "hi"
    assert SHOWCASE.echo(a=1, self=2) == {"a": 1, "self": 2}
    assert SHOWCASE.info()["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("operation", "a", "b", "result"),
    [
        ("multiply", 7, 6, 42),
        ("add", 1, 2.5, 3.5),
        ("subtract", 1, 2, -1),
        ("divide", 1, 4, 0.25),
        ("power", 2, 100, 2**100),
        ("power", 2, -1, 0.5),
        ("sqrt", 16, None, 4),
        ("sqrt", 2, None, math.sqrt(2)),
    ],
)
def test_compute(operation: str, a: float, b: float | None, result: float) -> None:
    got = SHOWCASE.compute(operation, a, b)["result"]
    assert got == result
    assert type(got) is type(result)


@pytest.mark.parametrize(
    ("operation", "a", "b", "words"),
    [
        ("multiplyy", 1, 2, "did you mean `multiply`"),
        ("divide", 1, 0, "division by zero"),
        ("sqrt", -1, None, "negative"),
        ("power", 10, 10**9, "too large"),
        ("power", 10.0, 1000, "too large"),
        ("power", 0, -1, "zero"),
        ("power", -8, 0.5, "negative"),
        ("add", 1, None, "b is missing"),
        ("add", "1", 2, "a must be a number"),
        ("add", True, 2, "a must be a number"),
    ],
)
def test_compute_refuses(operation: str, a: Any, b: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SHOWCASE.compute(operation, a, b)


def test_fail_raises_what_it_is_told() -> None:
    with pytest.raises(KeyError, match="boo"):
        SHOWCASE.fail("KeyError", "boo")
    with pytest.raises(UnicodeDecodeError):
        SHOWCASE.fail("UnicodeDecodeError", "boo")
    for name in ("print", "int", "nothing"):
        with pytest.raises(ValueError, match="not a built-in exception"):
            SHOWCASE.fail(name)


def test_ping_stream() -> None:
    chunks = list(SHOWCASE.ping_stream(3))
    assert [(one["ping"], one["count"]) for one in chunks] == [(1, 3), (2, 3), (3, 3)]
    assert chunks[-1]["progress_percent"] == 100.0
    assert list(SHOWCASE.ping_stream(0)) == []
    with pytest.raises(ValueError, match="count"):
        SHOWCASE.ping_stream(-1)


# ------------------------------------------------------------------------------------------------ datasets


def analyse(data: bytes, chunk_size: int = 3) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "table.csv").write_bytes(data)
        chunks = list(SHOWCASE.process_large_dataset("table.csv", chunk_size, ctx=CallContext("x", cwd=folder)))
    assert [one["is_final"] for one in chunks] == [False] * (len(chunks) - 1) + [True]
    progress = [one["progress_percent"] for one in chunks]
    assert progress == sorted(progress)
    assert progress[-1] == 100.0
    assert chunks[-1]["processed_rows"] == chunks[-1]["total_rows"]
    stats = chunks[-1]["final_stats"]
    assert isinstance(stats, dict)
    return stats


NUMBERS = st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9).map(lambda one: round(one, 6))
CELL = st.text(st.sampled_from('ab, "\n\r;ü'), max_size=8) | NUMBERS.map(str) | st.sampled_from(sorted(MISSING))


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS | st.none(), min_size=1, max_size=40), st.integers(1, 7))
def test_numbers_against_the_statistics_module(values: list[float | None], chunk: int) -> None:
    text = "n,k\n" + "".join(f"{'' if one is None else one},1\n" for one in values)
    column = analyse(text.encode(), chunk)["columns"][0]
    present = [one for one in values if one is not None]
    assert (column["count"], column["missing"]) == (len(present), len(values) - len(present))
    assert column["distinct"] == len({str(one) for one in present})
    if not present:
        assert column["type"] == "empty"
        return
    assert column["type"] == ("integer" if all(isinstance(one, int) for one in present) else "float")
    assert (column["min"], column["max"]) == (min(present), max(present))
    assert column["mean"] == pytest.approx(statistics.fmean(present), rel=1e-9, abs=1e-6)
    if len(present) > 1:
        assert column["stddev"] == pytest.approx(statistics.stdev(map(float, present)), rel=1e-6, abs=1e-5)
    else:
        assert column["stddev"] is None


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), max_size=20), st.integers(1, 7))
def test_any_table_survives_quoting(rows: list[tuple[str, str]], chunk: int) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["first", "second"])
    writer.writerows(rows)
    stats = analyse(out.getvalue().encode(), chunk)
    assert stats["rows"] == len(rows)
    assert stats["ragged_rows"] == 0
    for number, column in enumerate(stats["columns"]):
        present = [row[number].strip() for row in rows if row[number].strip() not in MISSING]
        assert column["count"] == len(present)
        assert column["distinct"] == len(set(present))


def kind_of(*values: str) -> str:
    column = ColumnStatistics("x")
    for value in values:
        column.add([value])
    return str(column.report()["type"])


def test_types_unify() -> None:
    assert kind_of("1", "-2", "") == "integer"
    assert kind_of("1", "2.5", "NA") == "float"
    assert kind_of("true", "False") == "boolean"
    assert kind_of("2024-01-02", "2024-01-02T10:00:00Z") == "date"
    assert kind_of("1", "true") == "string"
    assert kind_of("1_000") == "string"
    assert kind_of("inf") == "string"
    assert kind_of("2024-13-02") == "string"
    assert kind_of("", "null") == "empty"


def test_files_as_they_come() -> None:
    plain = analyse(b"a,b\n1,x\n2,y\n")
    assert analyse(b"\xef\xbb\xbfa,b\r\n1,x\r\n2,y")["columns"] == plain["columns"]
    assert plain["rows"] == 2
    ragged = analyse(b"a,b\n1\n2,y,z\n\n3,w\n")
    assert (ragged["rows"], ragged["ragged_rows"]) == (3, 2)
    latin = analyse("a\nzw\u00f6lf\n".encode("latin-1"))
    assert latin["columns"][0]["max"] == "zw\u00f6lf"
    assert "0xf6" in latin["encoding_error"]
    assert latin["encoding"] == "latin-1"
    assert analyse(b"")["rows"] == 0
    assert analyse(b"a,b\n")["columns"][0]["type"] == "empty"
    assert analyse(b'a,b\n"x\n\n,y",2\n')["columns"][0]["max"] == "x\n\n,y"


def test_no_such_dataset(tmp_path: Path) -> None:
    context = CallContext("x", cwd=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        SHOWCASE.process_large_dataset("nothing.csv", ctx=context)
    with pytest.raises(IsADirectoryError):
        SHOWCASE.process_large_dataset(".", ctx=context)
    with pytest.raises(ValueError, match="chunk_size"):
        SHOWCASE.process_large_dataset("nothing.csv", 0, ctx=context)


@pytest.mark.parametrize("count", [10, 60_000, 300_000])
def test_distinct(count: int) -> None:
    counter = DistinctCounter()
    for start in range(0, count, 10_000):
        block = [f"value-{n}" for n in range(start, min(start + 10_000, count))]
        counter.add(block)
        counter.add(block)
    assert counter.count() == pytest.approx(count, rel=0 if count < counter.KEPT else 0.03)


# ------------------------------------------------------------------------------------------------ logs


def tail(path: Path, **options: Any) -> Iterator[dict[str, Any]]:
    options = {"poll_interval": 0.002, **options}
    return SHOWCASE.tail_and_analyze(path.name, ctx=CallContext("x", cwd=str(path.parent)), **options)


LOG = """\
2024-05-06 07:08:09,123 INFO starting
2024-05-06T07:08:10Z ERROR it broke
a detail
another detail
still going
[06/May/2024:07:08:11 +0200] warning: careful
"""


def test_a_log_that_is_complete(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(LOG + "ERROR unfinished")
    chunks = list(tail(log, follow=False, patterns=["ERROR", "(?i)warn"], context_lines=1))
    assert [(one["line_number"], one["severity"], one["pattern_matched"]) for one in chunks[:-1]] == [
        (2, "ERROR", "ERROR"), (6, "WARNING", "(?i)warn"), (7, "ERROR", "ERROR"),
    ]  # fmt: skip
    assert chunks[0]["context_before"] == ["2024-05-06 07:08:09,123 INFO starting"]
    assert chunks[0]["context_after"] == ["a detail"]
    assert chunks[0]["timestamp"] == "2024-05-06T07:08:10+00:00"
    assert chunks[1]["timestamp"] == "2024-05-06T07:08:11+02:00"
    final = chunks[-1]
    assert (final["is_final"], final["reason"], final["total_lines"], final["total_matches"]) == (
        True,
        "end_of_file",
        7,
        3,
    )
    assert final["by_severity"] == {"ERROR": 2, "WARNING": 1}


def test_a_log_that_is_rotated_truncated_and_made_late(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    chunks = tail(log, patterns=["E"], context_lines=0, limit=5)

    def add(text: str) -> None:
        with log.open("a") as file:
            file.write(text)

    # The generator runs only inside `next`, so nothing here depends on time.
    log.write_text("E1\n")
    assert next(chunks)["log_line"] == "E1"
    add("quiet\nE2")
    add(" goes on\n")
    second = next(chunks)
    assert (second["log_line"], second["line_number"]) == ("E2 goes on", 3)
    add("E3 last words")
    log.rename(tmp_path / "a.log.1")
    log.write_text("E4\n")
    assert next(chunks)["log_line"] == "E3 last words"
    fourth = next(chunks)
    assert (fourth["log_line"], fourth["line_number"]) == ("E4", 1)
    add("quiet\nquiet\n")
    log.write_text("E5\n")  # cut short and begun anew
    assert next(chunks)["log_line"] == "E5"
    final = next(chunks)
    assert (final["reason"], final["total_matches"]) == ("limit", 5)


def test_from_the_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("E1\nE2\n")
    assert [one["is_final"] for one in tail(log, patterns=["E"], follow=False, from_start=False)] == [True]


def test_logs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tail(tmp_path / "none.log", follow=False)
    with pytest.raises(ValueError, match="regular expression"):
        tail(tmp_path / "none.log", patterns=["("])
    with pytest.raises(ValueError, match="limit"):
        tail(tmp_path / "none.log", limit=0)


def test_lines() -> None:
    assert severity_of("nothing here") is None
    assert severity_of("[crit] x") == "CRITICAL"
    assert timestamp_of("2024-13-45 00:00:00 x") is None
    assert timestamp_of("1714979290.5 x") == "2024-05-06T07:08:10.500000+00:00"
    assert str(timestamp_of("May  6 07:08:10 host x")).endswith("-05-06T07:08:10")
    assert timestamp_of("no time") is None
