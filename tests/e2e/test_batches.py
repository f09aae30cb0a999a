"""`snakepit map --batch`: many items at a time, and still one line for each."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import finish, foreground
from tests.harness import wait
from tests.harness.pit import Pit

ADAPTER = """
import os, time
from snakepit_bridge import BaseAdapter, command

class Batches(BaseAdapter):
    @command
    def sizes(self, item: list):
        return [[len(item), one] for one in item]

    @command
    def touchy(self, item: list, worst: str = "die"):
        if "raise" in item:
            raise ValueError("no")
        if "die" in item:
            os.kill(os.getpid(), 9)
        if "few" in item:
            return item[1:]
        return item

    @command
    def note(self, item: list, folder: str):
        for one in item:
            with open(os.path.join(folder, str(one)), "a") as file:
                file.write("x")
        time.sleep(0.01)
        return item
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        one.adapter(ADAPTER, "batches.py")
        one.config.write_text(f"[pools.default]\nadapter = '{one.work}/batches.py'\nsize = 2\n")
        one.run("up")
        yield one


def test_each_batch_is_full_but_the_last(pit: Pit) -> None:
    lines = "".join(f"{n}\n" for n in range(10_003))
    out = pit.run("map", "sizes", "--batch", "1000", input=lines).stdout
    assert [json.loads(line) for line in out.splitlines()] == [
        [1000 if n < 10_000 else 3, n] for n in range(10_003)
    ]  # fmt: skip
    assert pit.run("map", "sizes", "--batch", "7", "--lines", input="a\n").stdout == '[1,"a"]\n'


def test_rows_of_csv_in_batches(pit: Pit) -> None:
    done = pit.run("map", "sizes", "--batch", "2", "--from", "csv", "--arg", "item", input="a,b\n1,x\n2\n3,y\n4,z\n",
                   check=False)  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [rows[0], *rows[2:]] == [[1, {"a": "1", "b": "x"}], [2, {"a": "3", "b": "y"}], [2, {"a": "4", "b": "z"}]]
    assert rows[1]["error"]["message"] == "the row has 1 field, the header 2"


@pytest.mark.parametrize(
    ("word", "kind"), [("die", "worker_crashed"), ("raise", "command_failed"), ("few", "invalid_result")]
)
def test_what_happens_to_a_batch_happens_to_each_of_its_items_and_to_no_other(pit: Pit, word: str, kind: str) -> None:
    items = [json.dumps(word if n == 501 else str(n)) for n in range(1000)]
    done = pit.run("map", "touchy", "--batch", "10", input="\n".join(items) + "\n", check=False)
    out = done.stdout.splitlines()
    assert (done.returncode, len(out)) == (3, 1000)
    assert out[:500] + out[510:] == items[:500] + items[510:]
    errors = [json.loads(line)["error"] for line in out[500:510]]
    assert [(error["kind"], error["line"]) for error in errors] == [(kind, line) for line in range(501, 511)]


def test_a_full_batch_is_answered_before_more_comes(pit: Pit) -> None:
    with pit.start("map", "sizes", "--batch", "2", stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for n in range(0, 6, 2):
            run.stdin.write(f"{n}\n{n + 1}\n")
            run.stdin.flush()
            assert [run.stdout.readline() for _ in range(2)] == [f"[2,{n}]\n", f"[2,{n + 1}]\n"]
        run.stdin.write("9\n")
        run.stdin.close()
        assert run.stdout.read() == "[1,9]\n"
        assert run.wait(30) == 0


def test_a_broken_run_is_continued(pit: Pit) -> None:
    (pit.work / "todo").write_text("".join(f"{n}\n" for n in range(1000)))
    (pit.work / "notes").mkdir()
    noted = pit.work / "noted"
    noted.touch()
    argv = ("map", "note", f"folder={pit.work}/notes", "--batch", "5", "--input", "todo", "--output", "noted")
    run = foreground(pit, *argv, "--joblog", "log", "--resume")
    wait.until(lambda: noted.read_text().count("\n") > 50, "some answers")
    run.send_signal(signal.SIGINT)
    assert finish(run)[0] == 130
    other = pit.run(*argv[:4], "6", *argv[5:], "--joblog", "log", "--resume", check=False)
    assert (other.returncode, "its batch was 5, not 6" in other.stderr) == (2, True)
    pit.run(*argv, "--joblog", "log", "--resume")
    assert noted.read_text().split() == [str(n) for n in range(1000)]
    assert len(list((pit.work / "notes").iterdir())) == 1000


@pytest.mark.parametrize("count", ["0", "-1", "65537", "x", ""])
def test_numbers_that_are_refused(pit: Pit, count: str) -> None:
    assert pit.run("map", "sizes", f"--batch={count}", input="1\n", check=False).returncode == 2


@pytest.mark.parametrize(("adapter", "command"), [("exec:cat", "json"), ("node", "echo")])
def test_pools_that_take_one_item_at_a_time(pit: Pit, adapter: str, command: str) -> None:
    pit.run("up", "single", "--adapter", adapter, "--size", "1")
    done = pit.run("map", command, "--batch", "2", "--pool", "single", input="1\n", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the workers of pool single take one item at a time" in done.stderr
    pit.run("down", "single")
