"""`--adapter node`: the adapter that comes with the bridge of Node.js."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.harness.pit import Pit


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit('[pools.js]\nadapter = "node"\nsize = 1\n') as one:
        assert "next: snakepit exec ping" in one.run("up", "--adapter", "node", "--size", "1").stderr
        yield one


def test_it_answers(pit: Pit) -> None:
    assert pit.json("exec", "ping", "message=hi")["message"] == "hi"
    assert pit.json("exec", "echo", "a:=[1]", "b=x") == {"a": [1], "b": "x"}
    assert pit.json("exec", "compute", "operation=multiply", "a:=7", "b:=6", "--pool", "js") == {"result": 42}
    assert pit.run("exec", "compute", "operation=power", "a:=2", "b:=100").stdout == f'{{"result":{2**100}}}\n'
    assert pit.json("exec", "random", "type=integer", "min:=3", "max:=3") == {"type": "integer", "value": 3}
    assert pit.json("exec", "info")["language"] == "node"


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["compute", "operation=divide", "a:=1", "b:=0"], "command_failed", "division by zero"),
        (["compute", "operation=add", "a=1", "b:=2"], "command_failed", 'a must be a number, not "1"'),
        (["compute", "a:=1"], "invalid_arguments", "missing argument `operation`"),
        (["random", "type=even"], "command_failed", "type must be uniform, integer or normal"),
        (["random", "sort=even"], "invalid_arguments", "unknown argument `sort`"),
    ],
)
def test_what_does_not_fit_is_named(pit: Pit, words: list[str], kind: str, said: str) -> None:
    error = pit.json("exec", *words, "--json", check=False)["error"]
    assert error["kind"] == kind
    assert said in error["message"]


@pytest.mark.parametrize("name", ["ruby", "go"])
def test_a_language_without_one_says_so(pit: Pit, name: str) -> None:
    done = pit.run("up", "other", "--adapter", name, check=False)
    assert json.loads(pit.run("status", "--json").stdout)["pools"]
    assert f"no adapter is named '{name}'" in done.stderr
