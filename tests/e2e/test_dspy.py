"""The adapter for DSPy, with the real package and its own dummy model: no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.pit import ROOT, Pit

ADAPTER = "snakepit_bridge.adapters.dspy_grpc:DSPyGRPCHandler"


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as pit:
        pit.run("up", "ai", "--adapter", ADAPTER, "--size", "2", "--timeout", "2m")
        yield pit


def ask(pit: Pit, command: str, session: str | None = "s", *, check: bool = True, **arguments: Any) -> Any:
    where = () if session is None else ("--session", session)
    return pit.json("exec", command, "--args", json.dumps(arguments), "--pool", "ai", *where, check=check)


def refused(pit: Pit, command: str, session: str | None = "s", **arguments: Any) -> str:
    message: str = ask(pit, command, session, check=False, **arguments)["error"]["message"]
    return message


def answers(pit: Pit, *said: dict[str, Any], session: str | None = "s") -> None:
    ask(pit, "configure_lm", session, model="dummy", options={"answers": said})


def run(pit: Pit, kind: str, *said: dict[str, Any], session: str | None = "s", **more: Any) -> Any:
    made = ask(pit, "create_program", session, signature="question -> answer", program_type=kind, **more)
    answers(pit, *said, session=session)
    return ask(pit, "execute_program", session, program_id=made["program_id"], input={"question": "?"})


@pytest.mark.parametrize("session", ["s", None])
@pytest.mark.parametrize(
    ("kind", "said", "result"),
    [
        ("predict", [{"answer": "Paris"}], {"answer": "Paris"}),
        ("ChainOfThought", [{"reasoning": "so", "answer": "Rome"}], {"reasoning": "so", "answer": "Rome"}),
    ],
)
def test_programs(pit: Pit, kind: str, said: list[dict[str, Any]], result: dict[str, Any], session: str | None) -> None:
    if session is None:
        pit.run("scale", "ai", "1")
    done = run(pit, kind, *said, session=session)
    assert (done["result"], done["execution_count"]) == (result, 1)
    pit.run("scale", "ai", "2")


def test_program_of_thought(pit: Pit) -> None:
    code = "```python\nSUBMIT({'answer': 1 + 2})\n```"
    said = ({"reasoning": "count", "generated_code": code}, {"reasoning": "so", "answer": "3"})
    done = run(pit, "program_of_thought", *said, options={"interpreter": "local"})
    assert done["result"]["answer"] == "3"


def test_react_uses_tools_of_the_session(pit: Pit) -> None:
    maker = Path(ROOT, "tests/puppets/toolmaker.py")
    pit.run("up", "makers", "--adapter", str(maker), "--size", "1")
    pit.run("exec", "offer", "--pool", "makers", "--session", "s")
    thought = {"next_thought": "add", "next_tool_name": "add", "next_tool_args": {"a": 1, "b": 2}}
    end = {"next_thought": "done", "next_tool_name": "finish", "next_tool_args": {}}
    done = run(pit, "react", thought, end, {"reasoning": "so", "answer": "3"}, tools=["add"])
    assert done["result"]["trajectory"]["observation_0"] == 3
    assert "no tool 'nothing'" in refused(
        pit, "create_program", signature="a -> b", program_type="react", tools=["nothing"]
    )


def test_a_program_outlives_its_worker(pit: Pit) -> None:
    ask(pit, "create_program", "kept", signature="question -> answer", program_id="qa")
    answers(pit, {"answer": "42"}, session="kept")
    pit.run("restart", "ai")
    done = ask(pit, "execute_program", "kept", program_id="qa", input={"question": "?"})
    assert done["result"] == {"answer": "42"}
    assert ask(pit, "list_programs", "kept") == ["qa"]
    info = ask(pit, "get_program_info", "kept", program_id="qa")
    assert info["signature_def"] == {"inputs": ["question"], "outputs": ["answer"]}
    assert pit.json("program", "list", "--session", "kept")
    assert ask(pit, "delete_program", "kept", program_id="qa")["deleted"] is True


def test_objects_are_stored_and_called(pit: Pit) -> None:
    answers(pit, {"answer": "Oslo"})
    ask(pit, "call", target="dspy.utils.DummyLM", args=[[{"answer": "Oslo"}]], store_as="lm")
    ask(pit, "call", target="dspy.Predict", args=["question -> answer"], store_as="qa")
    assert [one["id"] for one in ask(pit, "list_stored")["stored"]] == ["lm", "qa"]
    found = ask(pit, "call", target="stored.qa.__call__", kwargs={"question": "?", "lm": "stored.lm"})
    assert found == {"answer": "Oslo"}
    assert "none of the pool's modules" in refused(pit, "call", target="os.getcwd")


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("create_program", {"signature": "nonsense"}, "signature"),
        ("create_program", {"signature": "a -> b", "program_type": "odd"}, "choose one of predict"),
        ("execute_program", {"program_id": "unknown"}, "no such program"),
        ("configure_lm", {"model": "m", "options": {"api_key": "x"}}, "looks like a secret"),
    ],
)
def test_mistakes_are_named(pit: Pit, command: str, arguments: dict[str, Any], words: str) -> None:
    assert words in refused(pit, command, **arguments)


def test_what_is_missing_is_named(pit: Pit) -> None:
    ask(pit, "create_program", "new", signature="a, b -> c", program_id="p")
    assert "no model is configured" in refused(pit, "execute_program", "new", program_id="p", input={"a": 1, "b": 2})
    assert "lacks b" in refused(pit, "execute_program", "new", program_id="p", input={"a": 1})
