"""`snakepit map`: one line out for each line in, whatever happens on the way."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import PUPPETS, finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import Pit

CONFIG = f"""
[pools.default]
adapter = "{PUPPETS / "mapper.py"}"
size = 2
[limits]
queue_timeout = 60
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        one.run("up")
        yield one


def lines_of(count: int) -> str:
    return "".join(f"{n}\n" for n in range(count))


def test_order_is_kept_and_failures_name_their_line(pit: Pit):
    text = lines_of(3000) + "{nope\n" + lines_of(10)
    done = pit.run("map", "same", input=text, check=False)

    assert done.returncode == 3
    out = done.stdout.splitlines()
    assert out[:3000] == [str(n) for n in range(3000)]
    assert out[3001:] == [str(n) for n in range(10)]
    error = json.loads(out[3000])["error"]
    assert (error["kind"], error["line"]) == ("invalid_arguments", 3001)
    assert "1 of 3011 items failed; the first: line 3001" in done.stderr


def test_objects_are_arguments_and_lines_can_be_text(pit: Pit):
    assert pit.run("map", "same", input='{"item":[1,{"b":2}]}\n').stdout == '[1,{"b":2}]\n'
    assert pit.run("map", "same", "--lines", input="a b\n\nno end").stdout == '"a b"\n""\n"no end"\n'
    assert pit.run("map", "slow", "seconds:=0", "--arg", "item", input="").stdout == ""


def test_files(pit: Pit):
    (pit.work / "in").write_text(lines_of(100))
    pit.run("map", "same", "--input", "in", "--output", "out", "--unordered")
    assert sorted((pit.work / "out").read_text().split(), key=int) == lines_of(100).split()
    assert pit.run("map", "same", "--input", "none", check=False).returncode == 66
    assert pit.run("map", "same", "--output", "none/there", check=False).returncode == 74


def test_a_line_is_answered_before_the_next_one_comes(pit: Pit):
    with pit.start("map", "same", stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for word in ('"a"\n', '"b"\n', '"c"\n'):
            run.stdin.write(word)
            run.stdin.flush()
            assert run.stdout.readline() == word
        run.stdin.close()
        assert run.wait(30) == 0


def test_its_pipes_hold_a_mebibyte(pit: Pit):
    """Those before and after it in a pipeline need not wait for each block."""
    with pit.start("map", "same", stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        run.stdin.write("1\n")
        run.stdin.flush()
        assert run.stdout.readline() == "1\n"
        assert [fcntl.fcntl(one, fcntl.F_GETPIPE_SZ) for one in (run.stdin, run.stdout)] == [1 << 20, 1 << 20]
        run.stdin.close()


def test_a_dead_worker_fails_only_the_item_that_killed_it(pit: Pit):
    items = [str(n) for n in range(1000)]
    items[500] = '"die"'
    done = pit.run("map", "touchy", input="\n".join(items) + "\n", check=False)

    out = done.stdout.splitlines()
    assert done.returncode == 3, done.stderr
    assert [line for line in out if "error" not in line] == [item for item in items if item != '"die"']
    assert json.loads(out[500])["error"]["kind"] == "worker_crashed"
    assert json.loads(out[500])["error"]["line"] == 501


def test_more_chances(pit: Pit):
    note = json.dumps(str(pit.work / "note"))
    assert pit.run("map", "once", "--retries", "1", input=note + "\n").stdout.strip() == note


def test_an_item_that_takes_too_long_fails_alone(pit: Pit):
    text = '1\n{"item":2,"seconds":60}\n3\n'
    out = pit.run("map", "slow", "--timeout", "1", input=text, check=False).stdout.splitlines()
    assert (out[0], json.loads(out[1])["error"]["kind"], out[2]) == ("1", "worker_timeout", "3")


def test_no_quick_item_is_blamed_for_the_slow_one_after_it(pit: Pit):
    items = [f'{{"item":{n},"seconds":0}}' for n in range(20_000)]
    items[9000] = '{"item":9000,"seconds":60}'
    out = pit.run("map", "slow", "--timeout", "0.5", input="\n".join(items) + "\n", check=False).stdout.splitlines()
    assert [(number, json.loads(line)["error"]["kind"]) for number, line in enumerate(out) if "error" in line] == [
        (9000, "worker_timeout")
    ]
    assert [int(line) for line in out if "error" not in line] == [n for n in range(20_000) if n != 9000]


def test_a_line_that_is_too_long_fails_alone(pit: Pit):
    text = '1\n"' + "x" * (40 << 20) + '"\n3\n'
    out = pit.run("map", "same", input=text, check=False).stdout.splitlines()
    assert (out[0], json.loads(out[1])["error"]["kind"], out[2]) == ("1", "invalid_arguments", "3")
    assert json.loads(out[1])["error"]["line"] == 2


def test_enough_failures_end_it(pit: Pit):
    assert pit.run("map", "same", "--on-error", "stop", input="{\n" * 50, check=False).returncode == 3
    done = pit.run("map", "same", "--max-failures", "2", input="{\n" + lines_of(5) + "{\n", check=False)
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 7


def test_a_command_that_is_not_there(pit: Pit):
    done = pit.run("map", "sane", input="1\n", check=False)
    assert (done.returncode, done.stdout) == (127, "")
    assert "did you mean `same`" in done.stderr


def test_the_reader_of_the_output_goes_away(pit: Pit):
    (pit.work / "many").write_text(lines_of(400_000))
    with pit.start("map", "same", "--input", "many") as run:
        assert run.stdout is not None
        assert [run.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        run.stdout.close()
        assert run.wait(30) == 141
    pit.until_pool("nothing to be left of it", busy=0, queued=0, running=0)


def test_ctrl_c(pit: Pit):
    (pit.work / "slow").write_text(lines_of(10_000))
    run = foreground(pit, "map", "slow", "--input", "slow")
    assert run.stdout is not None
    assert run.stdout.readline() == "0\n"
    run.send_signal(signal.SIGINT)
    assert finish(run)[0] == 130
    pit.until_pool("the work to stop", busy=0, queued=0, running=0)


def test_an_envelope(pit: Pit):
    done = pit.run("map", "same", "--envelope", "--unordered", input='"a"\n{nope\n', check=False)
    rows = {row["line"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows[1] == {"line": 1, "result": "a"}
    assert rows[2]["error"]["kind"] == "invalid_arguments"


def test_a_broken_run_is_continued_without_repeating_anything(pit: Pit):
    (pit.work / "todo").write_text(lines_of(400))
    argv = ("map", "note", f"folder={pit.work}/notes", "--input", "todo", "--output", "noted", "--joblog", "log")
    (pit.work / "notes").mkdir()
    (pit.work / "noted").touch()
    for _ in range(2):
        run = foreground(pit, *argv, "--resume")
        had = (pit.work / "noted").read_text().count("\n")
        wait.until(lambda had=had: (pit.work / "noted").read_text().count("\n") > had + 20, "some answers")
        run.send_signal(signal.SIGINT)
        assert finish(run)[0] == 130
    noted = (pit.work / "noted").read_text().split()
    assert 40 < len(noted) < 400
    assert noted == [str(n) for n in range(len(noted))]
    assert pit.run(*argv, check=False).returncode == 2
    pit.run(*argv, "--resume")
    assert (pit.work / "noted").read_text() == lines_of(400)
    often = [path.name for path in (pit.work / "notes").iterdir() if path.stat().st_size > 1]
    assert len(often) <= 8, "only what had been begun when the run was broken off is begun again"
    pit.run(*argv, "--resume")
    assert (pit.work / "noted").read_text() == lines_of(400)
    assert "another run" in pit.run("map", "same", "--joblog", "log", "--resume", input="", check=False).stderr


def test_what_failed_is_run_again_when_asked(pit: Pit):
    argv = ("map", "needs", f"folder={pit.work}", "--joblog", "needs.log", "--output", "needs.out", "--input", "names")
    (pit.work / "names").write_text('"x1"\n"x2"\n"x3"\n')
    (pit.work / "x2").touch()
    assert pit.run(*argv, check=False).returncode == 3
    (pit.work / "x1").touch()
    (pit.work / "x3").touch()
    assert pit.run(*argv, "--resume").returncode == 0
    assert (pit.work / "needs.out").read_text().count("error") == 2
    assert pit.run(*argv, "--resume-failed").returncode == 0
    assert (pit.work / "needs.out").read_text().splitlines()[3:] == ['"x1"', '"x3"']
    assert "--joblog" in pit.run("map", "same", "--resume", input="", check=False).stderr


def test_a_full_disk_ends_it_and_it_goes_on_when_there_is_room(pit: Pit):
    (pit.work / "much").write_text(lines_of(3000))
    done = pit.run("map", "same", "--input", "much", "--output", "/dev/full", check=False)
    assert (done.returncode, "cannot write the output" in done.stderr) == (74, True)


@pytest.mark.parametrize("whom", ["worker", "server"])
def test_every_item_has_one_line_whoever_is_killed(whom: str, tmp_path: Path):
    count, out = 1500, tmp_path / "out"
    with Pit(CONFIG) as pit:
        pit.run("up")
        (pit.work / "in").write_text(lines_of(count))
        with pit.start("map", "slow", "seconds:=0.002", "--input", "in", "--output", str(out)) as run:
            for goal in (100, 600):
                wait.until(lambda goal=goal: out.exists() and out.read_text().count("\n") > goal, f"{goal} answers")
                victim = pit.workers()[0]["pid"] if whom == "worker" else pit.status()["server"]["pid"]
                procs.kill(victim)
            run.wait(60)
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert len(lines) == count, run.stderr.read() if run.stderr else ""
        good = [n for n, line in enumerate(lines) if line == n]
        lost = {line["error"]["kind"] for line in lines if isinstance(line, dict)}
        if whom == "server":
            assert not lost
        else:
            assert lost <= {"worker_crashed"}
            assert len(good) >= count - 2


@pytest.mark.parametrize("size", [30_000_000, 20_000, 0])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_input_that_becomes_shorter_is_not_taken_for_a_whole_one(pit: Pit, form: str, size: int):
    source, out = pit.work / f"shrinking.{form}", pit.work / "shrunk"
    source.write_text(("item\n" if form == "csv" else "") + f'"{"x" * 10_000}"\n' * 4_000)
    out.unlink(missing_ok=True)
    argv = ["map", "slow", "seconds:=0.0005", "--input", source.name, "--to", "jsonl", "--output", out.name]
    run = pit.start(*argv)
    wait.until(lambda: out.exists() and out.stat().st_size > 0, "answers in the output")
    os.truncate(source, size)
    code, _, error = finish(run)
    assert code == 66
    assert f"shortened to {size:,} bytes" in error
    assert "do not change the file meanwhile" in error


def test_files_of_the_kernel_have_no_size(pit: Pit):
    done = pit.run("map", "same", "--lines", "--input", "/proc/cpuinfo")
    assert len(done.stdout.splitlines()) == len(Path("/proc/cpuinfo").read_text().splitlines())
