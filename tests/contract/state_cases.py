"""What sessions, variables, programs and tools answer, whichever door one comes through: see test_state_doors.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One request and its outcome."""

    op: str
    fields: dict[str, Any]
    outcome: dict[str, Any]
    """`value`, or `error`, its kind, with its `message` and the `type` of what was raised."""

    def met(self, outcome: dict[str, Any]) -> bool:
        """Members that the outcome has beyond the expected ones say nothing."""
        return self.outcome.items() <= outcome.items()


@dataclass(frozen=True)
class Case:
    name: str
    steps: list[Step]
    workers_only: bool = False
    """The command line cannot do it: it offers no tools and is not within a call."""
    session: bool = True
    metadata: dict[str, str] = field(default_factory=dict)
    """Of the call."""


def gives(op: str, value: Any, /, **fields: Any) -> Step:
    return Step(op, fields, {"value": value})


def fails(op: str, kind: str, message: str | None = None, /, **fields: Any) -> Step:
    """`type` of the fields is part of the request; that of the error is compared where tools raise."""
    return Step(op, fields, {"error": kind} if message is None else {"error": kind, "message": message})


RANGE = {"min": 0, "max": 1}
ODD = 'é\u2028\n"\\'
CASES = [
    Case(
        "a variable and its versions",
        [
            fails("get", "variable_not_found", name="t"),
            gives("set", 0, name="t", value=0.5),
            gives("get", 0.5, name="t"),
            gives("set", 1, name="t", value=0.75, expect=0),
            fails("set", "version_conflict", name="t", value=1, expect=0),
            gives("get", 0.75, name="t"),
            gives("has", True, name="t"),
            gives("has", False, name="u"),
            fails("set", "variable_not_found", name="u", value=1, create=False),
            gives("delete", None, name="t"),
            fails("delete", "variable_not_found", name="t"),
            gives("has", False, name="t"),
        ],
    ),
    Case(
        "values are what they were",
        [
            gives(
                "set_many",
                {"a": True, "ü b/c": True, "n": True},
                values={"a": 1, "ü b/c": 'é\u2028\n"', "n": [1, {"k": None}]},
            ),
            gives("get_many", {"ü b/c": 'é\u2028\n"', "n": [1, {"k": None}]}, names=["ü b/c", "n"]),
            gives("set", 0, name="large", value=9007199254740993),
            gives("get", 9007199254740993, name="large"),
            gives("set", 0, name="no", value=False),
            gives("get", False, name="no"),
        ],
    ),
    Case(
        "types and constraints",
        [
            gives("register", 0, name="t", type="float", value=0.5, constraints=RANGE),
            fails("register", "already_exists", name="t", type="float", value=0.5),
            fails("set", "invalid_value", "t: value 1.5 is above maximum 1", name="t", value=1.5),
            fails("set", "invalid_value", 't: cannot convert "hot" to float: must be a number', name="t", value="hot"),
            gives("get", 0.5, name="t"),
            gives("register", 0, name="c", type="choice", value="a", constraints={"choices": ["a", "b"]}),
            fails("set", "invalid_value", name="c", value="z"),
            fails("register", "invalid_value", name="x", type="number", value=1),
            gives("register", 1, name="t", type="integer", value=1, replace=True),
            gives("get", 1, name="t"),
        ],
    ),
    Case(
        "many at once",
        [
            gives("register", 0, name="t", type="float", value=0.5, constraints=RANGE),
            gives("set", 0, name="n", value=1),
            gives(
                "set_many",
                {"t": "t: value 7.0 is above maximum 1", "n": True},
                values={"t": 7, "n": 2},
            ),
            gives("get_many", {"n": 2, "t": 0.5}, names=["n", "t"]),
            fails("set_many", "invalid_value", values={"t": 7, "n": 3}, atomic=True),
            gives("get", 2, name="n"),
            gives("set_many", {"t": True, "n": True}, values={"t": 1, "n": 3}, atomic=True),
            gives("get_many", {"n": 3, "t": 1}, names=["n", "t"]),
            fails("get_many", "variable_not_found", names=["n", "nothing"]),
        ],
    ),
    Case(
        "a list by pattern",
        [
            gives("list", [], pattern="*"),
            gives(
                "set_many",
                {"a1": True, "a2": True, "b1": True, "xa1": True},
                values={"a1": 1, "a2": 2, "b1": 3, "xa1": 4},
            ),
            gives("list", ["a1", "a2"], pattern="a?"),
            gives("list", ["a1", "b1"], pattern="[ab]1"),
            gives("list", ["a1", "a2", "xa1"], pattern="*a*"),
            gives("list", [], pattern="a"),
        ],
    ),
    Case(
        "history and rollback",
        [
            gives("set", 0, name="v", value="one"),
            gives("set", 1, name="v", value="two"),
            gives("rollback", 2, name="v", version=0),
            gives("get", "one", name="v"),
            gives("history", [["register", 0, "one"], ["set", 1, "two"], ["rollback", 2, "one"]], name="v"),
            fails("rollback", "invalid_value", "v: there is no version 9; the latest is 2", name="v", version=9),
            fails("history", "variable_not_found", name="w"),
        ],
    ),
    Case(
        "dependencies",
        [
            gives("set_many", {"a": True, "b": True, "c": True}, values={"a": 1, "b": 2, "c": 3}),
            gives("depend", ["a"], name="b", on=["a"]),
            gives("stale", False, name="b"),
            gives("set", 1, name="a", value=10),
            gives("stale", True, name="b"),
            gives("set", 1, name="b", value=20),
            gives("stale", False, name="b"),
            fails("depend", "in_use", name="a", on=["b"]),
            fails("delete", "in_use", name="a"),
            fails("depend", "variable_not_found", name="b", on=["z"]),
        ],
    ),
    Case(
        "programs",
        [
            fails("program_get", "program_not_found", id="p"),
            gives("program_put", "p", id="p", data={"steps": [1, 2]}),
            fails("program_put", "already_exists", id="p", data=1, create=True),
            gives("program_get", {"steps": [1, 2]}, id="p"),
            gives("program_put", "p", id="p", data="for all", everywhere=True),
            gives("program_get", "for all", id="p", everywhere=True),
            gives("program_get", {"steps": [1, 2]}, id="p"),
            gives("program_list", ["p"], pattern="p"),
            gives("program_delete", None, id="p"),
            gives("program_get", "for all", id="p"),
            gives("program_delete", None, id="p", everywhere=True),
            fails("program_delete", "program_not_found", id="p"),
        ],
    ),
    Case(
        "a watch of some changes",
        [
            gives("set", 0, name="w", value=1),
            gives("set", 1, name="w", value=2),
            gives("set", 0, name="other", value=0),
            gives("set", 2, name="w", value=3),
            gives("watch", [["register", "w", 1], ["set", "w", 2], ["set", "w", 3]], pattern="w", version=0, count=3),
            gives("watch", [["set", "w", 2]], pattern="w", version=1, count=1),
            gives("watch", [["register", "other", 0], ["set", "w", 3]], pattern="*", after=2, count=2),
        ],
    ),
    Case(
        "the call's session and what is said about it",
        [gives("metadata", {"who": "me", "why": "ü"}), gives("call", 42, command="twice", args={"number": 21})],
        workers_only=True,
        metadata={"who": "me", "why": "ü"},
    ),
    Case(
        "a call within a call that fails",
        [
            fails("call", "command_not_found", command="nosuch", args={}),
            fails("call", "pool_not_found", command="twice", args={"number": 1}, pool="nosuch"),
            Step(
                "call",
                {"command": "raise", "args": {"message": "no way"}},
                {"error": "command_failed", "type": "IndexError"},
            ),
        ],
        workers_only=True,
    ),
    Case(
        "the sessions of others",
        [
            fails("query", "not_yours", query={"op": "var_get", "session": "another", "name": "t"}),
            fails("query", "not_yours", query={"op": "var_set", "session": "another", "name": "t", "value": 1}),
            fails("query", "not_yours", query={"op": "session_list"}),
            fails("query", "not_yours", query={"op": "down", "pool": "default"}),
            fails("query", "usage", query={"op": "nothing"}),
        ],
        workers_only=True,
    ),
    Case(
        "without a session",
        [
            fails("get", "session_not_found", name="t"),
            fails("set", "session_not_found", name="t", value=1),
            fails("tools", "session_not_found"),
            fails("call_tool", "session_not_found", name="add", args={"a": 1}),
            gives("program_put", "q", id="q", data=1, everywhere=True),
            gives("program_get", 1, id="q", everywhere=True),
            gives("program_delete", None, id="q", everywhere=True),
        ],
        workers_only=True,
        session=False,
    ),
]
