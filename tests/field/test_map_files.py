"""Files of `map`, as people have them: the input is safe whatever they are, and so is what an earlier run wrote."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.pit import COMMAND, Pit

ADAPTER = """
from snakepit_bridge import BaseAdapter, command
class Echo(BaseAdapter):
    @command
    def same(self, item=None, **more):
        return {"item": item, **more} if more else item
"""
MARK = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit("[pools.default]\nadapter = 'echo.py'\nsize = 1\ncwd = '.'\n") as one:
        one.adapter(ADAPTER, "echo.py")
        one.config.write_text(f"[pools.default]\nadapter = '{one.work}/echo.py'\nsize = 1\n")
        one.run("up")
        yield one


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("items", "items", None), "the input and the output"),
        (("items", "hard", None), "the input and the output"),
        (("symbolic", "./items", None), "the input and the output"),
        (("items", "-", "hard"), "the input and the joblog"),
        (("items", "new", "./new"), "the output and the joblog"),
        (("-", "hard", None), "the input and the output"),
    ],
)
def test_one_file_in_two_roles_is_refused_and_left_as_it_is(
    pit: Pit, names: tuple[str, str, str | None], roles: str
) -> None:
    items = pit.work / "items"
    text = "".join(f"{n}\n" for n in range(100))
    items.write_text(text)
    for name, link in (("hard", os.link), ("symbolic", os.symlink)):
        if not (pit.work / name).exists():
            link(items, pit.work / name)
    source, sink, joblog = names
    extra = [] if joblog is None else ["--joblog", joblog]
    with items.open() as opened:
        done = pit.run("map", "same", "--input", source, "--output", sink, *extra, check=False, stdin=opened)
    assert (done.returncode, items.read_text()) == (2, text)
    assert f"{roles} are the same file" in done.stderr
    assert not (pit.work / "new").exists()


def test_output_that_is_appended_to_the_input_is_refused(pit: Pit) -> None:
    items = pit.work / "grows"
    items.write_text("1\n2\n")
    with items.open() as source, items.open("a") as sink:
        done = pit.run("map", "same", check=False, stdin=source, stdout=sink, stderr=subprocess.PIPE)
    assert (done.returncode, items.read_text()) == (2, "1\n2\n")


@pytest.mark.parametrize("how", ["< /dev/null", "<&-", "--input /dev/null", "< empty", "--input empty", "< blank"])
@pytest.mark.parametrize("form", ["", "--lines"])
def test_nothing_in_nothing_out(pit: Pit, how: str, form: str) -> None:
    (pit.work / "empty").touch()
    (pit.work / "blank").write_text("" if form else "\n \r\n\n")
    command = f'exec "$@" map same {form} {how}'
    words = ["bash", "-c", command, "bash", *COMMAND]
    done = subprocess.run(words, cwd=pit.work, env=pit.env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_output_to_a_device(pit: Pit) -> None:
    pit.run("map", "same", "--output", "/dev/null", input="1\n2\n")


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("form", "given", "wanted"),
    [
        ("", MARK + b"1\r\n2\n\n", [1, 2]),
        ("", b'{"item":1}\r\n\r\n', [1]),
        ("--lines", MARK + b"one\r\ntwo\n", ["one", "two"]),
        ("--lines", b"one\r\ntwo\r", ["one", "two"]),
        ("--lines", b"in\rside\n\nlast\n\n", ["in\rside", "", "last", ""]),
    ],
)
def test_marks_line_ends_and_blank_lines(
    pit: Pit, form: str, given: bytes, wanted: list[object], at_once: bool
) -> None:
    name = pit.work / "given"
    name.write_bytes(given)
    option = [form] if form else []
    if at_once:
        out = pit.run("map", "same", *option, "--input", "given").stdout
    else:
        out = pit.run("map", "same", *option, text=False, input=given).stdout.decode()
    assert [json.loads(line) for line in out.splitlines()] == wanted


def test_a_file_of_arguments_may_begin_with_a_mark(pit: Pit) -> None:
    (pit.work / "marked.json").write_bytes(MARK + b'{"item": 1}\n')
    assert pit.run("exec", "same", "--args", "@marked.json").stdout == "1\n"
    assert json.loads(pit.run("exec", "same", "item:=@marked.json").stdout) == {"item": 1}


def test_a_run_is_resumed_with_its_own_options_only(pit: Pit) -> None:
    argv = ("map", "same", "--joblog", "log", "--output", "out")
    pit.run(*argv, "--arg", "a", input="1\n2\n")
    before = (pit.work / "out").read_text()
    for other in (
        ["--arg", "b"],
        ["--arg", "a", "--lines"],
        ["--arg", "a", "--pool", "default"],
        ["x=1", "--arg", "a"],
    ):
        done = pit.run(*argv, *other, "--resume", input="1\n2\n3\n", check=False)
        assert (done.returncode, "another run" in done.stderr) == (2, True), other
        assert (pit.work / "out").read_text() == before
    for data in ("", "1\n", "1\n3\n", "5\n6\n7\n"):
        (pit.work / "changed").write_text(data)
        for source in ("-", "changed"):
            done = pit.run(*argv, "--arg", "a", "--resume", "--input", source, input=data, check=False)
            assert (done.returncode, "its input was different" in done.stderr) == (2, True), (data, source)
            assert (pit.work / "out").read_text() == before
    pit.run(*argv, "--arg", "a", "--resume", input="1\n2\n3\n")
    assert Path(pit.work / "out").read_text() == before + '{"item":null,"a":3}\n'
