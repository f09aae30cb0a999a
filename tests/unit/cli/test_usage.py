"""A command line that is not understood: what is wrong with it, in our own words, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snakepit_cli import __version__
from snakepit_cli.cli import app
from tests.unit.cli.conftest import Run
from tests.unit.client.fake import Fake

FOREIGN = (
    "Input should",
    "Value error",
    "Invalid value",
    "No such",
    "Got unexpected",
    "argument(s)",
    "malformed query",
)
"""Words of Click, Typer, pydantic and of our protocol."""


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("exce", "`exce` is not a verb", "did you mean `snakepit exec`?"),
        ("server", "a verb is missing: `snakepit server` has run, start, ", "run `snakepit server --help`"),
        ("server strat", "`strat` is not a verb of `snakepit server`", "did you mean `snakepit server start`?"),
        ("exec", "missing argument COMMAND: name of a command of the adapter", "run `snakepit exec --help`"),
        ("wait", "missing argument ID…: printed by `stream --detach`", "run `snakepit wait --help`"),
        ("scale", "missing argument POOL: name of the pool", "run `snakepit scale --help`"),
        ("cancel", "missing argument ID|CALL: a stream, or the number of a call (", "run `snakepit cancel --help`"),
        ("completion", "missing argument bash|zsh|fish: name of the shell", "run `snakepit completion --help`"),
        ("exec ping --timeout 0", "--timeout must be above 0, not 0", "run `snakepit exec --help`"),
        ("stream ping --timeout 0s", "--timeout must be above 0, not 0s", "run `snakepit stream --help`"),
        ("map ping --timeout 0ms", "--timeout must be above 0, not 0ms", "run `snakepit map --help`"),
        ("up p --adapter=", "--adapter must not be empty", "run `snakepit up --help`"),
        ("up p --python=", "--python must not be empty", "run `snakepit up --help`"),
        ("exec ping --bogus", "`snakepit exec` has no option --bogus", "run `snakepit exec --help`"),
        ("exec ping --tiemout 3", "`snakepit exec` has no option --tiemout", "did you mean `--timeout`?"),
        ("exec ping --timeout", "--timeout needs a value", "run `snakepit exec --help`"),
        ("exec ping --json=3", "--json takes no value", "run `snakepit exec --help`"),
        ("up --size many", "--size must be a whole number, not many", "run `snakepit up --help`"),
        ("up --size=many", "--size must be a whole number, not many", "run `snakepit up --help`"),
        ("map x --arg", "--arg needs a value", "run `snakepit map --help`"),
        ("-L x map x --arg", "--arg needs a value", "run `snakepit map --help`"),
        ("server start x=", "one word too many: x=", "run `snakepit server start --help`"),
        ("map x --on-error odd", "--on-error must be one of record, stop, not odd", "run `snakepit map --help`"),
        ("logs -n x", "--lines must be a whole number, not x", "run `snakepit logs --help`"),
        ("completion csh", "the argument must be one of bash, zsh, fish, not csh", "run `snakepit completion --help`"),
        ("status x", "one word too many: x", "run `snakepit status --help`"),
        ("status x y", "too many words: x y", "run `snakepit status --help`"),
        ("run x", "snakepit has no verb `run`", "did you mean `snakepit exec`?"),
        ("ls", "snakepit has no verb `ls`", "did you mean `snakepit status`?"),
        ("ps", "snakepit has no verb `ps`", "did you mean `snakepit status`?"),
        ("start", "snakepit has no verb `start`", "did you mean `snakepit up`?"),
        ("stop", "snakepit has no verb `stop`", "did you mean `snakepit down`?"),
    ],
)
def test_what_is_wrong(places: Path, full: Run, line: str, message: str, hint: str) -> None:
    done = full(*line.split())
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith(f"error: {message}")
    assert second.startswith(f"hint: {hint}")
    assert not any(words in done.err for words in FOREIGN)


def test_no_option_answers_in_foreign_words(places: Path, full: Run) -> None:
    """Every option of every verb that takes a number or one of some words."""
    root = app.command()
    for name, verb in root.commands.items():
        for option in getattr(verb, "params", []):
            metavar = str(option.metavar or "")
            if option.param_type_name == "option" and ("|" in metavar or metavar in {"N", "LINES"}):
                done = full(name, "x", "1", f"{option.opts[0]}=odd,odd")
                assert done.code != 0
                assert not any(words in done.err for words in FOREIGN), done.err


@pytest.mark.parametrize("argv", [["--version"], ["-V"], ["version"]])
def test_version(fake: Fake, run: Run, argv: list[str]) -> None:
    assert run(*argv).out == f"snakepit {__version__}\n"


def test_help_of_a_verb(full: Run) -> None:
    assert full("help", "exec") == full("exec", "--help")
    assert full("help", "server", "start") == full("server", "start", "--help")


@pytest.mark.parametrize("argv", [["exec", "ping", "-p", "gpu"], ["exec", "-p", "gpu", "ping"]])
def test_the_short_name_of_pool(fake: Fake, run: Run, argv: list[str]) -> None:
    assert run(*argv).code == 0
    assert fake.calls[0][0]["pool"] == "gpu"


@pytest.mark.parametrize("verb", [["streams"], ["cancel", "1"], ["status"], ["workers"], ["explain"], ["drain"]])
def test_what_only_looks_starts_no_server(places: Path, full: Run, verb: list[str]) -> None:
    assert full(*verb).code == 3
    assert not (places / "state").exists()


def test_a_refusal_by_the_server_names_the_field(fake: Fake, full: Run) -> None:
    from tests.unit.client.fake import error

    refusal = error("usage", "`spare` must be a whole number from 0 to 1023, not -1")
    fake.queries["up"] = lambda peer, request, _: peer.send(0x45, request, refusal)
    assert full("up", "--spare", "-1").err.startswith("error: `spare` must be a whole number from 0 to 1023, not -1\n")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((b"up", b"--adapter", b"we\xfeird.py"), "'we\\xfeird.py'"),
        ((b"up", b"--python=/secret\xfe"), "--python"),
        ((b"up", b"--env", b"A=secret\xfe"), "A"),
        ((b"down", b"\xfe"), "'\\xfe'"),
        ((b"wait", b"\xfe"), "'\\xfe'"),
        ((b"logs", b"\xfe"), "'\\xfe'"),
        ((b"exec", b"ping", b"key=secret\xfe"), "key"),
        ((b"map", b"pi\xfeng"), "'pi\\udcfeng'"),
        ((b"map", b"ping", b"--arg", b"\xfe"), "'\\udcfe'"),
    ],
)
def test_what_is_not_text_is_named(fake: Fake, full: Run, words: tuple[bytes, ...], named: str) -> None:
    done = full(*map(os.fsdecode, words))
    assert done.code in {2, 65}
    first = done.err.splitlines()[0]
    assert first.removeprefix("error: ").startswith(named)
    assert "not UTF-8 text" in first
    assert "secret" not in done.err
    assert not fake.asked
