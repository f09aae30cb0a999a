"""What a terminal shows: no bar remains, and nothing that a worker says is a command to it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from snakepit_cli.cli.output import live
from snakepit_cli.cli.output.terminal import cut
from snakepit_cli.wire import front
from tests.harness.screen import rendered
from tests.unit.cli.test_process import finish, on_terminal, start
from tests.unit.client.fake import Fake, Peer, error

EVIL = "a[/data/x.csv]\x1b]0;title\x07\x1b[31mred\x9b2J\x7f\u202e[bold]b"
"""Markup of the kind that libraries for terminals know, and commands to a terminal."""
SHOWN = "[/data/x.csv]"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("CI", raising=False)


def progress(peer: Peer, request: int, *_: object) -> None:
    for percent in (10, 100):
        chunk = {"progress_percent": percent, "message": EVIL}
        peer.send(front.CHUNKS, request, json.dumps(chunk, ensure_ascii=False).encode() + b"\n")
    peer.send(front.RESULT, request, b"null")


def result(peer: Peer, request: int, *_: object) -> None:
    peer.send(front.RESULT, request, json.dumps({EVIL: EVIL}, ensure_ascii=False).encode())


def note(peer: Peer, request: int, *_: object) -> None:
    peer.send(front.NOTE, request, EVIL.encode())
    peer.send(front.RESULT, request, b"null")


def fail(peer: Peer, request: int, *_: object) -> None:
    peer.send(front.CHUNKS, request, b'"one"\n')
    told = error("command_failed", EVIL, type=EVIL, traceback=EVIL, hint=EVIL, worker=EVIL, log=[EVIL])
    peer.send(front.ERROR, request, told)


def one_item(peer: Peer, request: int, *_: object) -> None:
    answer = json.dumps({"error": {"kind": "command_failed", "message": EVIL}}, ensure_ascii=False).encode()
    peer.send(front.ANSWERS, request, front.answers_body(answer + b"\n", [0]))
    peer.send(front.RESULT, request, b"0.001")


def stuck(peer: Peer, request: int, *_: object) -> None:
    peer.send(front.ANSWERS, request, front.answers_body(b"1\n", []))


@pytest.mark.parametrize("argv", [["count", "n:=3"], ["count", "n:=3", "--color", "always"], ["fail", "message=no"]])
def test_only_the_chunks_remain_of_a_stream_with_a_bar(fake: Fake, argv: list[str]) -> None:
    shown = on_terminal("stream", *argv, "--progress", "bar")
    assert "chunk" in shown.decode()
    wanted = ["error: no"] if argv[0] == "fail" else [f'{{"i":{i}}}' for i in range(3)]
    assert rendered(shown) == [*wanted, ""]


def mapped(fake: Fake, tmp_path: Path, *options: str, text: str = "1\n2\n3\n4\n") -> list[str]:
    fake.queries["commands"] = {"pool": "default", "commands": [{"name": "item"}]}
    fake.queries["status"] = {"pools": [{"name": "default", "size": 1}]}
    (tmp_path / "in").write_text(text)
    return ["map", "item", "--input", str(tmp_path / "in"), *options]


def test_map_says_what_it_did_and_leaves_no_bar(fake: Fake, tmp_path: Path) -> None:
    fake.answers["item"] = lambda peer, request, *_: (stuck(peer, request), peer.send(front.RESULT, request, b"0.001"))
    for options in ([], ["--progress", "bar"]):
        *lines, last, _ = rendered(on_terminal(*mapped(fake, tmp_path, *options, text="1\n")))
        assert lines == ["1"]
        assert last.startswith("item: 1 item, 0 failed, ")


@pytest.mark.parametrize("joblog", [False, True])
def test_map_that_is_interrupted_says_how_to_go_on(fake: Fake, tmp_path: Path, joblog: bool) -> None:
    fake.answers["item"] = stuck
    process = start(*mapped(fake, tmp_path, *(["--joblog", str(tmp_path / "log")] if joblog else [])))
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    process.send_signal(signal.SIGINT)
    code, _, told = finish(process)
    assert code == 130
    after = "; continue with --resume" if joblog else ""
    assert re.fullmatch(f"item: interrupted, [12] of 4 done{after}\n", told), "the second block may be answered, too"


CASES = {
    "result": (result, ["exec", "x"]),
    "result as JSON": (result, ["exec", "x", "--json"]),
    "raw": (result, ["exec", "x", "--raw"]),
    "note": (note, ["exec", "x"]),
    "note on the other path": (note, ["exec", "x", "--color=never"]),
    "error": (fail, ["exec", "x"]),
    "chunk": (progress, ["stream", "x"]),
    "raw chunk": (progress, ["stream", "x", "--raw"]),
    "bar": (progress, ["stream", "x", "--progress", "bar"]),
    "plain": (progress, ["stream", "x", "--progress", "plain"]),
    "field": (progress, ["stream", "x", "--field", "message", "--raw"]),
    "stream that fails": (fail, ["stream", "x", "--progress", "bar"]),
    "map": (one_item, []),
    "map with a bar": (one_item, ["--progress", "bar"]),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_a_worker_is_a_command_to_the_terminal(fake: Fake, tmp_path: Path, case: str) -> None:
    answer, argv = CASES[case]
    fake.answers["x"] = fake.answers["item"] = answer
    shown = on_terminal(*(argv if argv[:1] in (["exec"], ["stream"]) else mapped(fake, tmp_path, *argv, text="1\n")))
    harmless(shown)
    assert SHOWN in "".join(rendered(shown))


def test_nothing_of_a_log_is_a_command_to_the_terminal(places: Path) -> None:
    folder = places / "state" / "default" / "logs"
    folder.mkdir(parents=True)
    (folder / "default-1.log").write_text(EVIL + "\n")
    for argv in (["logs"], ["logs", "default-1"]):
        shown = on_terminal(*argv)
        harmless(shown)
        assert SHOWN in shown.decode()


def harmless(shown: bytes) -> None:
    """`rendered` raises for all that is not ours."""
    text = "".join(rendered(shown))
    assert not {"\x07", "\x1b", "\x7f", "\x9b", "\u202e"} & set(text)


@pytest.mark.parametrize("columns", [8, 20, 40, 60, 80, 120])
@pytest.mark.parametrize("share", [None, 0.0, 0.5, 1.0])
def test_a_line_is_never_wider_than_the_terminal(columns: int, share: float | None) -> None:
    line = live.Line("a command with a long name: 1,234,567 items", ["0 failed", "日本語 \x1b[2J", "12 s"], share)
    text, taken = line.fitted(columns)
    assert taken <= columns
    assert live.width(text) == taken
    if columns >= 100 or (columns == 80 and share is None):
        assert "0 failed" in text


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本", 4, "日本"),
        ("日本語", 4, "日…"),
        ("日本語", 5, "日本…"),
        ("e\u0301" * 3, 3, "e\u0301" * 3),
        ("e\u0301" * 4, 3, "e\u0301" * 2 + "…"),
        ("", 3, ""),
    ],
)
def test_a_text_is_cut_to_columns(text: str, most: int, shown: str) -> None:
    assert cut(text, most) == shown


def test_a_character_with_endless_marks_is_cut() -> None:
    assert len(cut("a" + "\u0301" * 1_000_000, 3)) < 100
