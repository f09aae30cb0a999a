"""The showcase's commands over a session's variables: they are the same whichever worker answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.pit import Pit


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit("[pools.default]\nsize = 3\n") as one:
        yield one


def called(pit: Pit, session: str, command: str, **args: Any) -> Any:
    return pit.json("exec", command, "--args", json.dumps(args), "--session", session)


def test_variables(pit: Pit) -> None:
    made = called(pit, "v", "register_variable", name="t", type="float", initial_value=0.5, constraints={"max": 1})
    assert made.keys() == {"variable_id", "name", "type", "initial_value"}
    assert called(pit, "v", "get_variable", name="t") == {"name": "t", "value": 0.5}
    assert called(pit, "v", "set_variable", name="t", value=0.75)["success"] is True
    changed = called(pit, "v", "set_variable_with_history", name="t", value=1, metadata={"by": "me"})
    assert (changed["previous_value"], changed["value"]) == (0.75, 1)
    called(pit, "v", "register_variable", name="n", type="integer", initial_value=1)
    assert called(pit, "v", "get_variables", names=["t", "n"])["variables"] == {"t": 1.0, "n": 1}
    done = called(pit, "v", "set_variables", updates={"t": 5, "n": 2})
    assert (done["successful"], done["failed"], done["total"]) == (["n"], ["t"], 2)
    assert "above maximum" in done["results"]["t"]
    refused = pit.json("exec", "set_variable", "name=t", "value:=7", "--session", "v", "--json", check=False)
    assert refused["error"]["type"] == "InvalidValueError"


def test_no_increment_is_lost_over_three_workers(pit: Pit) -> None:
    assert called(pit, "c", "init_session", purpose="test")["session_id"] == "c"
    lines = "".join(f'{{"call_number":{n}}}\n' for n in range(30))
    pit.run("map", "get_worker_info", "--session", "c", input=lines)
    pit.run("map", "increment_counter", "--session", "c", input="{}\n" * 200)
    assert called(pit, "c", "get_counter") == {"value": 200}
    ended = called(pit, "c", "cleanup")
    assert ended["command_count"] == 200
    assert ended["duration_ms"] > 0
    assert called(pit, "c", "get_counter") == {"value": 0}


def test_a_counter_that_was_never_set(pit: Pit) -> None:
    assert called(pit, "n", "get_counter") == {"value": 0}
    assert called(pit, "n", "increment_counter") == {"value": 1}
    assert called(pit, "n", "set_counter", value=5) == {"value": 5}
    assert called(pit, "n", "increment_counter") == {"value": 6}
