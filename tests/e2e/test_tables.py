"""`snakepit map` with CSV: one item for each row, whatever the file looks like."""

from __future__ import annotations

import csv
import io
import json
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import finish, foreground
from tests.harness import wait
from tests.harness.pit import Pit

ADAPTER = """
import os, time
from snakepit_bridge import BaseAdapter, command

class Rows(BaseAdapter):
    @command
    def row(self, name, count: int = 7, share: float | None = None, on: bool = False):
        return {"name": name, "count": count, "share": share, "on": on}

    @command
    def same(self, item=None, **more):
        if item == "die":
            os.kill(os.getpid(), 9)
        return more or item

    @command
    def half(self, n: int, fail_below: int = 0):
        if n < fail_below:
            raise ValueError("too small")
        time.sleep(0.002)
        return {"n": n, "half": n / 2}
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        one.adapter(ADAPTER, "rows.py")
        one.config.write_text(f"[pools.default]\nadapter = '{one.work}/rows.py'\nsize = 2\n")
        one.run("up")
        yield one


def items(pit: Pit, data: bytes, command: str = "same", *options: str, form: str = "csv") -> list[Any]:
    """What comes of each row: the answer, or what is said of its error."""
    (pit.work / "data").write_bytes(data)
    done = pit.run("map", command, "--from", form, "--input", "data", *options, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [one["error"] for one in found if isinstance(one, dict) and "error" in one]
    assert done.returncode == (3 if errors else 0), done.stderr
    return [one.get("error", {}).get("message", one) if isinstance(one, dict) else one for one in found]


def test_names_are_arguments_and_types_those_of_the_command(pit: Pit) -> None:
    data = b'name,count,share,on\na,1,2.5,true\nb,,,0\n"c, ""d""",3,\n\ne,x,1,1\nf,4,1e2,FALSE'
    assert items(pit, data, "row") == [
        {"name": "a", "count": 1, "share": 2.5, "on": True},
        {"name": "b", "count": 7, "share": None, "on": False},
        "the row has 3 fields, the header 4",
        "column `count`: 'x' is not an integer",
        {"name": "f", "count": 4, "share": 100.0, "on": False},
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a,b\n", []),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        (b'a,b\n"x\ny","say ""hi"""\n,', [{"a": "x\ny", "b": 'say "hi"'}, {"a": "", "b": ""}]),
        (b"a\n1\0\n\xff\n2\n", [{"a": "1\0"}, "the row is not UTF-8", {"a": "2"}]),
        (b'a\n1\n"2\n', [{"a": "1"}, "the quote that begins in line 3 is not closed"]),
        (b'a\n"' + b"x" * (1 << 20) + b'\n"\n', [{"a": "x" * (1 << 20) + "\n"}]),
    ],
    ids=range(7),
)
def test_files_as_people_have_them(pit: Pit, data: bytes, expected: list[Any]) -> None:
    assert items(pit, data) == expected


def test_a_whole_row_as_one_argument_and_others_beside_the_columns(pit: Pit) -> None:
    assert items(pit, b"a\tb\n1\tx,y\n", "same", "--arg", "item", form="tsv") == [{"a": "1", "b": "x,y"}]
    assert items(pit, b"a\n1\n", "same", "b:=2") == [{"b": 2, "a": "1"}]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("a,b,a\n1,2,3\n", "line 1, the names of the columns: 2 columns have the name 'a'"),
        ("\na,,b\n1,2,3\n", "line 2, the names of the columns: column 2 has no name"),
        ("a\rb\n", "carriage return"),
        ('a,"b\n', "the quote that begins in line 1 is not closed"),
    ],
)
def test_a_header_that_names_no_arguments(pit: Pit, data: str, text: str) -> None:
    done = pit.run("map", "same", "--from", "csv", input=data, check=False)
    assert (done.returncode, done.stdout) == (65, "")
    assert text in done.stderr


def test_a_file_is_known_by_its_ending(pit: Pit) -> None:
    (pit.work / "in.csv").write_text("a,b\n1,x\n2,y\n")
    pit.run("map", "same", "--input", "in.csv", "--output", "out.tsv")
    assert (pit.work / "out.tsv").read_text() == "a\tb\terror\n1\tx\t\n2\ty\t\n"
    lines = pit.run("map", "same", "--lines", "--arg", "a", "--input", "in.csv").stdout
    assert lines == '{"a":"a,b"}\n{"a":"1,x"}\n{"a":"2,y"}\n'
    for options in (["--output", "out.arrow"], ["--from", "xml"], ["--to", "xml"], ["--from", "csv", "--lines"]):
        assert pit.run("map", "same", *options, input="", check=False).returncode == 2


def test_errors_say_the_line_and_the_item(pit: Pit) -> None:
    data = 'item\n"two\nlines"\n\ndie\n"more\n\nlines"\nlast,one\n'
    done = pit.run("map", "same", "--from", "csv", "--envelope", input=data, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["line"] for row in rows] == [2, 5, 6, 9]
    assert [(row["error"]["kind"], row["error"]["line"], row["error"]["item"]) for row in rows if "error" in row] == [
        ("worker_crashed", 5, 2), ("invalid_arguments", 9, 4),
    ]  # fmt: skip
    assert "2 of 4 items failed; the first: line 5: " in done.stderr
    done = pit.run("map", "same", "--from", "csv", "--to", "csv", "--envelope", input=data, check=False)
    assert [row["line"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["2", "5", "6", "9"]


def test_a_row_is_answered_before_the_next_one_comes(pit: Pit) -> None:
    with pit.start("map", "same", "--from", "csv", "--to", "csv", stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        run.stdin.write("a,b\n")
        for row, answer in (("1,x\n", "1,x,\n"), ('2,"y\n\n"\n', '2,"y\n\n",\n'), ("3\n", None), ("4,z\n", "4,z,\n")):
            run.stdin.write(row)
            run.stdin.flush()
            if row[0] == "1":
                assert run.stdout.readline() == "a,b,error\n"
            for line in (answer or ',,"invalid_arguments: the row has 1 field, the header 2"\n').splitlines(True):
                assert run.stdout.readline() == line
        run.stdin.close()
        assert run.wait(30) == 3


def test_enough_rows_that_cannot_be_run_end_it(pit: Pit) -> None:
    data = "item\n" + "1,2\n" * 50
    done = pit.run("map", "same", "--from", "csv", "--to", "csv", "--on-error", "stop", input=data, check=False)
    assert done.returncode == 3
    assert done.stdout.splitlines()[1] == '"invalid_arguments: the row has 2 fields, the header 1"'


def test_a_broken_run_is_continued_with_one_header(pit: Pit) -> None:
    rows = [f"{n}\n" if n % 50 else f'"{n}",x\n' for n in range(1, 600)]
    (pit.work / "todo.csv").write_text("n\n" + "".join(rows))
    argv = ("map", "half", "--input", "todo.csv", "--output", "halves.csv", "--joblog", "log", "--envelope")
    halves = pit.work / "halves.csv"
    halves.touch()
    for _ in range(2):
        run = foreground(pit, *argv, "--resume")
        had = halves.read_text().count("\n")
        wait.until(lambda had=had: halves.read_text().count("\n") > had + 20, "some answers")
        run.send_signal(signal.SIGINT)
        assert finish(run)[0] == 130
    with halves.open("a") as torn:
        torn.write('99,"torn')
    pit.run(*argv, "--resume", check=False)
    check(halves, 599)
    pit.run(*argv, "--resume")
    check(halves, 599)
    (pit.work / "todo.csv").write_text("n\n" + "".join(rows).replace("599", "600"))
    changed = pit.run(*argv, "--resume", check=False)
    assert (changed.returncode, "its input was different" in changed.stderr) == (2, True)
    other = pit.run(*argv[:2], "--from", "tsv", *argv[2:], "--resume", check=False)
    assert (other.returncode, "its from was 'csv', not 'tsv'" in other.stderr) == (2, True)


def check(path: Path, count: int) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["line"]) for row in rows] == list(range(2, count + 2))
    for number, row in enumerate(rows, 1):
        if number % 50:
            assert (int(row["n"]), float(row["half"]), row["error"]) == (number, number / 2, "")
        else:
            assert row["error"] == "invalid_arguments: the row has 2 fields, the header 1"


def test_what_failed_is_run_again_even_if_nothing_else_was_there(pit: Pit) -> None:
    (pit.work / "few.csv").write_text("n\n1\n2\n")
    argv = ("map", "half", "--input", "few.csv", "--output", "few.out", "--to", "csv", "--joblog", "few.log")
    done = pit.run(*argv, "fail_below:=9", check=False)
    assert (done.returncode, (pit.work / "few.out").read_text().splitlines()[0]) == (3, "error")
    (pit.work / "few.csv").write_text("n\n1\n2\n10\n")
    assert pit.run(*argv, "fail_below:=9", "--resume", check=False).returncode == 3
    assert (pit.work / "few.out").read_text().splitlines()[0] == "n,half,error"
    assert pit.run(*argv, "fail_below:=9", "--resume-failed", check=False).returncode == 3
    assert (pit.work / "few.out").read_text().count("too small") == 4


def test_memory_does_not_grow_with_the_names_of_columns(pit: Pit) -> None:
    """A few bytes of input become many of JSON: they must not all be made at once."""
    name = "x" * 1000
    (pit.work / "wide.csv").write_text(f"{name}\n" + "1\n" * 200_000)
    argv = ("map", "same", "--input", "wide.csv", "--output", "/dev/null", "--progress", "jsonl")
    run = pit.start(*argv, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20)))
    code, _, err = finish(run)
    assert (code, '"items": 200000' in err) == (0, True), err


def test_parquet_and_arrow(pit: Pit) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import ipc, parquet

    data = pa.table({"n": list(range(1000)), "x": [float("nan"), *range(999)]})
    parquet.write_table(data, pit.work / "data.parquet", row_group_size=300)
    with ipc.new_stream(str(pit.work / "stream"), data.schema) as writer:
        writer.write_table(data, max_chunksize=70)
    expected = [{"n": n, "x": None if n == 0 else float(n - 1)} for n in range(1000)]
    argv = ("map", "same", "--nan", "null")
    with (pit.work / "stream").open() as file:
        lines = pit.run(*argv, "--from", "arrow", stdin=file).stdout
    assert [json.loads(line) for line in lines.splitlines()] == expected
    done = pit.run("map", "same", "--input", "data.parquet", "--output", "p.csv", "--joblog", "p.log", check=False)
    assert (done.returncode, "line 1: column `x` is NaN" in done.stderr) == (3, True)
    pit.run("map", "same", "--input", "data.parquet", "--output", "p.csv", "--joblog", "p.log", "--resume")
    with (pit.work / "p.csv").open() as text:
        assert [row["n"] for row in csv.DictReader(text)] == ["", *map(str, range(1, 1000))]


def test_arrow_through_a_pipe_is_answered_batch_by_batch(pit: Pit) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import ipc

    schema = pa.schema([("n", pa.int64())])
    with pit.start("map", "same", "--from", "arrow", stdin=subprocess.PIPE, text=False) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        with ipc.new_stream(run.stdin, schema) as writer:
            for n in range(3):
                writer.write_batch(pa.record_batch([pa.array([n, 7])], schema))
                run.stdin.flush()
                assert [json.loads(run.stdout.readline()) for _ in range(2)] == [{"n": n}, {"n": 7}]
        run.stdin.close()
        assert run.wait(30) == 0
