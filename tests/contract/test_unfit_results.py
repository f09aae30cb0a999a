"""Results that JSON cannot hold: the same words and places over workers of every language."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.contract.test_languages import ADAPTERS, Language
from tests.harness.pit import Pit

CONFIG = "".join(f'[pools.{name}]\nadapter = "{adapter}"\nsize = 1\n' for name, adapter in ADAPTERS.items())
MARKED = "".join(
    f'[pools.{name}-marks]\nadapter = "{ADAPTERS[name]}"\nsize = 1\nunserializable = "mark"\n'
    for name in ("python", "node", "ruby")
)
TYPES = {"python": "object", "node": "Promise", "ruby": "Object", "go": "chan int"}
REFUSED = {
    "nan": "$.scores[2] is NaN, which JSON cannot hold (`--nan null` makes it null)",
    "infinity": '$[0]["a b"] is -Infinity, which JSON cannot hold (`--nan null` makes it null)',
    "object": "$.model is of type {type}, which has no JSON form",
    "circle": "$.a[1].back is $ again: the value contains itself",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit(CONFIG + MARKED) as one:
        yield one


@pytest.fixture(params=ADAPTERS)
def pool(request: pytest.FixtureRequest, shared: Pit) -> Language:
    return Language(shared, request.param)


@pytest.mark.parametrize("what", REFUSED)
def test_a_result_is_refused_with_its_place(pool: Language, what: str) -> None:
    words = f"`odd` returned no JSON: {REFUSED[what].format(type=TYPES[pool.name])}"
    error = pool.error("odd", f"what={what}")
    assert (error["kind"], error["message"]) == ("invalid_result", words)
    done = pool.pit.run("map", "odd", "--arg", "what", "--pool", pool.name, input=f'"{what}"\n', check=False)
    assert json.loads(done.stdout)["error"]["message"] == words


def test_nan_is_null_when_the_caller_wants_it(pool: Language) -> None:
    assert pool.call("odd", "what=nan", "--nan", "null") == {"scores": [1, 2, None], "n": None}
    stream = ("stream", "odds", "--pool", pool.name)
    assert pool.pit.run(*stream, "--nan", "null").stdout == "1\n[null]\n"
    done = pool.pit.run(*stream, check=False)
    assert (done.stdout, done.returncode) == ("1\n", 70)
    assert "$[0] is NaN" in done.stderr
    lines = '{"what":"nan"}\n{"what":"infinity"}\n{"what":"object"}\n'
    out = pool.pit.run("map", "odd", "--pool", pool.name, "--nan", "null", input=lines, check=False).stdout
    found = [json.loads(line) for line in out.splitlines()]
    assert found[:2] == [{"scores": [1, 2, None], "n": None}, [{"a b": None}]]
    assert found[2]["error"]["kind"] == "invalid_result"


@pytest.mark.parametrize("name", ["python", "node", "ruby"])
def test_an_error_becomes_its_type_and_message(shared: Pit, name: str) -> None:
    found = Language(shared, name).call("odd", "what=error")
    assert (found["e"]["type"].rpartition("::")[2], found["e"]["message"]) == ("RangeError", "no")


@pytest.mark.parametrize("name", ["python", "node", "ruby"])
def test_a_pool_that_marks_sends_the_type_and_nothing_else(shared: Pit, name: str) -> None:
    assert Language(shared, f"{name}-marks").call("odd", "what=object") == {
        "model": {"__unserializable__": TYPES[name]}
    }
