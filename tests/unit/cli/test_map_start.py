"""How `map` begins: what is refused, and where the server goes away at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from snakepit_cli.cli import mapping
from snakepit_cli.wire import front
from tests.unit.cli.conftest import Run
from tests.unit.client.fake import Fake, Peer


@pytest.mark.parametrize(
    ("words", "code", "text", "hint"),
    [
        (["--batch", "0"], 2, "--batch 0: must be a number of items from 1 to 65,536", "run `snakepit map --help`"),
        (["--from", "xml"], 2, "--from xml: must be jsonl, csv, tsv, parquet or arrow", "run `snakepit map --help`"),
        (["--to", "xml"], 2, "--to xml: must be jsonl, csv or tsv", "run `snakepit map --help`"),
        (
            ["--output", "x.parquet"], 2,
            "--output x.parquet: the form of the output must be jsonl, csv or tsv, not parquet",
            "name another file, or add --to jsonl",
        ),
        (["--output", "."], 74, ".: Is a directory", "name a file in that directory"),
        (["--output", "none/x"], 74, "none/x: No such file or directory", "create the directory first"),
        (["--joblog", "none/x"], 74, "none/x: No such file or directory", "create the directory first"),
        (["--output", "/dev/full"], 74, "cannot write the output: No space left on device", "make room"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_is_allowed(
    fake: Fake, full: Run, tmp_path: Path, words: list[str], code: int, text: str, hint: str
) -> None:
    answering(fake)
    (tmp_path / "in").write_text("1\n")
    done = full("map", "answer", "--input", str(tmp_path / "in"), *words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"error: {text}")
    assert f"hint: {hint}" in done.err


def test_a_row_that_fails_has_no_empty_hint(fake: Fake, full: Run, tmp_path: Path) -> None:
    answering(fake)
    (tmp_path / "in.csv").write_text("a,b\n1\n")
    done = full("map", "answer", "--input", str(tmp_path / "in.csv"))
    error = json.loads(done.out)["error"]
    assert (done.code, error["kind"], "hint" in error) == (3, "invalid_arguments", False)


def answering(fake: Fake) -> None:
    def answer(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.ANSWERS, request, front.answers_body(b"1\n", []))
        peer.send(front.RESULT, request, b"0.001")

    fake.queries["commands"] = {"pool": "default", "commands": [{"name": "answer", "parameters": []}]}
    fake.answers["answer"] = answer
    fake.queries["status"] = {"pools": [{"name": "default", "size": 1}]}


@pytest.mark.parametrize(
    ("losses", "code"), [(1, 0), (mapping._ATTEMPTS - 1, 0), (mapping._ATTEMPTS, 71)], ids=["one", "some", "too many"]
)
def test_a_server_that_is_lost_before_it_says_what_there_is(
    fake: Fake, full: Run, tmp_path: Path, losses: int, code: int
) -> None:
    lost: list[int] = []

    def commands(peer: Peer, request: int, _: object) -> None:
        if len(lost) < losses:
            lost.append(request)
            peer.sock.close()
            return
        peer.send(front.RESULT, request, {"pool": "default", "commands": [{"name": "answer", "parameters": []}]})

    answering(fake)
    fake.queries["commands"] = commands
    (tmp_path / "in").write_text("1\n")
    done = full("map", "answer", "--input", str(tmp_path / "in"))
    assert (done.code, done.out) == (code, "1\n" if code == 0 else ""), done.err
    assert len(lost) == losses
