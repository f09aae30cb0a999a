"""What is suggested when something is written in another way than it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire import front
from tests.unit.cli.conftest import Run
from tests.unit.client.fake import Fake, Peer, error

PARAMETERS = [
    {"name": "operation", "type": "str", "required": True},
    {"name": "a", "type": "float", "required": True},
    {"name": "b", "type": "float", "required": False},
]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ([], "the line is not valid JSON: malformed", "are the lines text? then use --lines --arg a"),
        (["--arg", "a"], "the line is not valid JSON: malformed", "are the lines text? then use --lines"),
        (["--lines", "--arg", "a"], "the line is not valid JSON: malformed", None),
        ([], "`compute`: unknown argument `item`", "name the argument that an item is: --arg a"),
        (["--arg", "a"], "`compute`: missing argument `b`", None),
    ],
)
def test_of_map(fake: Fake, run: Run, tmp_path: Path, options: list[str], message: str, hint: str | None) -> None:
    def answer(peer: Peer, request: int, *_: object) -> None:
        body = b'{"kind":"invalid_arguments","message":"%b"}\n' % message.encode()
        peer.send(front.ANSWERS, request, front.answers_body(body, [0]))
        peer.send(front.RESULT, request, b"0.001")

    fake.answers["compute"] = answer
    fake.queries["commands"] = {"pool": "default", "commands": [{"name": "compute", "parameters": PARAMETERS}]}
    fake.queries["status"] = {"pools": [{"name": "default", "size": 1}]}
    (tmp_path / "in").write_text("one\n")
    done = run("map", "compute", "operation=sqrt", "--input", str(tmp_path / "in"), *options)
    assert done.code == 3
    assert done.err.splitlines()[1:] == ([] if hint is None else [f"hint: {hint}"])


@pytest.mark.parametrize(
    ("item", "hint"), [("a:=four", "for text write a=… (without the colon)"), ("a", "for example `snakepit exec echo")]
)
def test_of_arguments(places: Path, run: Run, item: str, hint: str) -> None:
    done = run("exec", "compute", item)
    assert f"hint: {hint}" in done.err
    assert "four" not in done.err, "it may be a secret"


@pytest.mark.parametrize("kind", ["worker_crashed", "worker_unresponsive"])
def test_of_a_crash_names_the_worker(fake: Fake, run: Run, kind: str) -> None:
    def crash(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.ERROR, request, error(kind, "it died", worker="words-3"))

    fake.answers["crash"] = crash
    assert "hint: read `snakepit logs words-3`; " in run("exec", "crash").err


def test_of_a_handler_that_raised_says_nothing(fake: Fake, run: Run) -> None:
    assert run("exec", "fail").err == "error: it went wrong\n"


def test_names_are_filled_in() -> None:
    assert "`snakepit up words --size N`" in PitError("queue_timeout", "late", pool="words").hint
    assert "POOL" in PitError("queue_timeout", "late").hint


@pytest.mark.parametrize(
    ("kind", "known", "hint"),
    [
        ("command_not_found", {"worker": "words-1"}, "list them with `snakepit commands --pool words`"),
        ("invalid_arguments", {"worker": "words-1"}, "compare them with `snakepit commands --pool words`"),
        ("command_not_found", {}, "list them with `snakepit commands --pool POOL`"),
        ("worker_crashed", {"worker": "words-1"}, "read `snakepit logs words-1`; a new worker takes its place"),
    ],
)
def test_a_hint_names_the_pool_and_the_worker(kind: str, known: dict[str, str], hint: str) -> None:
    assert PitError(kind, "", **known).hint == hint
