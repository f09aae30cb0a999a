"""Rows of Parquet and Arrow become the arguments that their command takes."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError

pa = pytest.importorskip("pyarrow")
from pyarrow import ipc, parquet  # noqa: E402 - after the package has been found

from snakepit_cli.client.map.tables.arrow import ArrowTable  # noqa: E402

FORMS = ["parquet", "file", "stream"]


def written(path: Path, form: str, table: Any, rows: int = 1000) -> int:
    """A descriptor of a file with the table."""
    if form == "parquet":
        parquet.write_table(table, path, row_group_size=rows)
    else:
        with (ipc.new_file if form == "file" else ipc.new_stream)(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    return os.open(path, os.O_RDONLY)


def opened(descriptor: int, form: str, parameters: Any = (), **options: Any) -> ArrowTable:
    return ArrowTable(descriptor, "parquet" if form == "parquet" else "arrow", parameters, **options)


def everything(table: ArrowTable) -> tuple[list[Any], dict[int, str]]:
    """The arguments of all rows, and what is said of those that fail."""
    rows: list[Any] = []
    while (lines := table.read()) is not None:
        assert not table.late()
        rows += map(json.loads, lines.splitlines())
    faults, item = {}, 1
    while (good := table.faults.until(item)) is not None:
        item += good
        (error,) = table.faults.take(item, 1)
        faults[item] = error.message
        item += 1
    return rows, faults


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(tmp_path: Path, form: str) -> None:
    data = [{"a": n, "b": f"text {n}", "c": [n, None], "d": {"e": f"{n}"}} for n in range(2500)]
    table = opened(written(tmp_path / "data", form, pa.Table.from_pylist(data)), form)
    assert everything(table) == (data, {})
    assert table.place(7) == {"line": 7}
    assert table.read() is None


@pytest.mark.parametrize("form", FORMS)
def test_a_large_batch_is_given_in_parts(tmp_path: Path, form: str) -> None:
    data = pa.table({"a": ["x" * 10_000] * 1000})
    table = opened(written(tmp_path / "data", form, data), form)
    first = table.read()
    assert first is not None
    assert len(first) < 2 << 20
    if form == "parquet":
        expected = table.expected()
        assert expected is not None
        assert 9_000_000 < expected < 12_000_000
    assert len(everything(table)[0]) == 1000 - first.count(b"\n")


def test_values_have_the_forms_of_the_bridge(tmp_path: Path) -> None:
    moment = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    values = {
        "day": (date(2024, 2, 3), "2024-02-03"),
        "moment": (moment, "2024-02-03T04:05:06Z"),
        "took": (timedelta(days=1, seconds=2.5), "P1DT2.5S"),
        "price": (Decimal("1.10"), "1.10"),
        "raw": (b"abc", "YWJj"),
        "none": (None, None),
        "nanos": (pa.scalar(1, pa.timestamp("ns", "+01:00")), "1970-01-01T01:00:00.000000001+01:00"),
        "exact": (pa.scalar(1000, pa.timestamp("ns")), "1970-01-01T00:00:00.000001"),
        "large": (pa.scalar(2**64 - 1, pa.uint64()), 2**64 - 1),
        "half": (pa.scalar(1.5, pa.float16()), 1.5),
        "kind": (pa.scalar("x").cast(pa.dictionary(pa.int8(), pa.string())), "x"),
    }
    columns = {name: pa.array([value[0]]) for name, value in values.items()}
    (row,), faults = everything(opened(written(tmp_path / "data", "stream", pa.table(columns)), "stream"))
    assert (row, faults) == ({name: value[1] for name, value in values.items()}, {})


@pytest.mark.parametrize("form", FORMS)
def test_nan_fails_its_row_or_is_null(tmp_path: Path, form: str) -> None:
    data = pa.table({
        "a": [1.0, float("nan"), None, float("inf")], "b": [[1.0], [2.0], [None, float("-inf")], []],
    })  # fmt: skip
    path = tmp_path / "data"
    _, faults = everything(opened(written(path, form, data), form))
    assert faults == {
        2: "column `a` is NaN, which JSON cannot hold", 3: "column `b` is -Infinity, which JSON cannot hold",
        4: "column `a` is Infinity, which JSON cannot hold",
    }  # fmt: skip
    rows, faults = everything(opened(written(path, form, data), form, nan_is_null=True))
    assert (faults, [row["a"] for row in rows], rows[2]["b"]) == ({}, [1.0, None, None, None], [None, None])


def test_a_row_without_json_form_fails_alone(tmp_path: Path) -> None:
    duration = pa.array([1000, 1, 3000], pa.duration("ns"))
    rows, faults = everything(opened(written(tmp_path / "data", "file", pa.table({"a": duration})), "file"))
    assert rows == [{"a": "PT0.000001S"}, None, {"a": "PT0.000003S"}]
    assert "would lose data" in faults[2]


def test_null_is_left_out_where_there_is_a_default_and_a_row_can_be_one_argument(tmp_path: Path) -> None:
    parameters = [{"name": "a", "required": False}, {"name": "b", "required": True}]
    data = pa.table({"a": pa.array([None], pa.string()), "b": pa.array([None], pa.int8())})
    for whole, expected in ((None, {"b": None}), ("row", {"row": {"a": None, "b": None}})):
        descriptor = written(tmp_path / "data", "file", data)
        assert everything(opened(descriptor, "file", parameters, whole=whole))[0] == [expected]


def test_a_batch_of_a_pipe_is_given_when_it_is_there() -> None:
    source, sink = os.pipe()
    schema = pa.schema([("a", pa.int64())])
    batches = [pa.record_batch([pa.array([n] * 5000)], schema) for n in range(3)]
    table = None
    with open(sink, "wb", buffering=0) as file, ipc.new_stream(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)  # with the first one goes the schema
            table = table or ArrowTable(source, "arrow", [])
            assert table.late()
            lines = table.read() or b""
            while not table.late():
                lines += table.read() or b""
            assert lines.count(b"\n") == 5000
    assert table is not None
    assert table.read() is None
    assert not table.late()
    os.close(source)


@pytest.mark.parametrize(
    ("form", "data"), [("parquet", b""), ("parquet", b"no"), ("arrow", b"no"), ("arrow", b"ARROW1\0\0no")]
)
def test_files_that_are_something_else(tmp_path: Path, form: str, data: bytes) -> None:
    (tmp_path / "data").write_bytes(data)
    descriptor = os.open(tmp_path / "data", os.O_RDONLY)
    with pytest.raises(PitError, match="cannot read the input"):
        ArrowTable(descriptor, form, [])


@pytest.mark.parametrize(("form", "text"), [("parquet", "not from a pipe"), ("arrow", "an Arrow file, which cannot")])
def test_pipes_that_hold_files(tmp_path: Path, form: str, text: str) -> None:
    descriptor = written(tmp_path / "data", "file", pa.table({"a": [1]}))
    source, sink = os.pipe()
    os.write(sink, os.read(descriptor, 1 << 16))
    os.close(sink)
    with pytest.raises(PitError, match=text):
        ArrowTable(source, form, [])


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_off(tmp_path: Path, form: str) -> None:
    data = pa.table({"a": list(range(20_000))})
    descriptor = written(tmp_path / "data", form, data)
    os.truncate(tmp_path / "data", os.fstat(descriptor).st_size // 2)
    with pytest.raises(PitError, match="cannot read the input"):
        everything(opened(descriptor, form))


def test_names_that_are_no_arguments(tmp_path: Path) -> None:
    data = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(PitError, match="2 columns have the name 'a'"):
        opened(written(tmp_path / "data", "file", data), "file")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PitError, match="--from parquet needs the package pyarrow") as caught:
        ArrowTable(0, "parquet", [])
    assert "-m pip install 'pyarrow>=18'" in caught.value.hint
