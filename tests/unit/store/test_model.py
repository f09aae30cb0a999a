"""The store against a model in plain Python: types, constraints, versions, batches and time, mixed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.store import values
from snakepit_cli.server.store.values import InvalidValueError
from tests.unit.store.kit import Store

SESSIONS = st.sampled_from(["s", "t"])
NAMES = st.sampled_from(["a", "b", "c"])
RULES = st.sampled_from([
    ("float", {"min": 0.0, "max": 10.0}), ("integer", {"max": 5}), ("string", {"max_length": 3}), ("boolean", {}),
    ("choice", {"choices": ["x", "y"]}), ("embedding", {"dimensions": 2}), ("tensor", {"shape": [2]}), ("map", {}),
    ("list", {"min_length": 1}), ("module", {"allowed_modules": ["x"]}),
])  # fmt: skip
VALUES = st.sampled_from([
    None, True, 0, 3, 7.5, -1, "x", "long text", [1, 2], [1.0], [], {"shape": [2], "data": [1, 2]}, {}, {"k": [None]},
])  # fmt: skip
TTL = 100.0


class Model(RuleBasedStateMachine):
    """A variable of the model: type, constraints, and the values of all of its versions."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder, ttl=TTL)
        self.sessions: dict[str, dict[str, tuple[str, dict[str, Any], list[Any]]]] = {}
        self.used: dict[str, float] = {}

    def teardown(self) -> None:
        self.store.db.close()
        Store.opened.remove(self.store)
        shutil.rmtree(self.folder)

    def _variables(self, session: str) -> dict[str, tuple[str, dict[str, Any], list[Any]]]:
        """As a write sees them: a session whose time is over is a new one."""
        if session not in self.sessions or self.used[session] + TTL <= self.store.now:
            return {}
        return self.sessions[session]

    def _wrote(self, session: str, variables: dict[str, tuple[str, dict[str, Any], list[Any]]]) -> None:
        self.sessions[session], self.used[session] = variables, self.store.now

    def _set(self, variables: dict[str, Any], name: str, value: Any) -> str | None:
        """Error kind, or None when it has been set."""
        type_, rules, versions = variables.get(name) or (None, {}, [])
        try:
            type_ = type_ or values.inferred(value)
            fit = values.check(type_, value, rules)
        except InvalidValueError:
            return "invalid_value"
        variables[name] = type_, rules, [*versions, fit]
        return None

    def _kind(self, op: str, **fields: Any) -> str | None:
        try:
            self.answer = self.store.ask(op, **fields)
        except PitError as error:
            return error.kind
        return None

    @rule(session=SESSIONS, name=NAMES, rules=RULES, value=VALUES)
    def register(self, session: str, name: str, rules: tuple[str, dict[str, Any]], value: Any) -> None:
        variables = dict(self._variables(session))
        type_, constraints = rules
        try:
            fit = values.check(type_, value, constraints)
            expected = "already_exists" if name in variables else None
        except InvalidValueError:
            expected = "invalid_value"
        kind = self._kind("var_register", session=session, name=name, type=type_, value=value, constraints=constraints)
        assert kind == expected
        if kind is None:
            self._wrote(session, {**variables, name: (type_, constraints, [fit])})

    @rule(session=SESSIONS, name=NAMES, value=VALUES, expect=st.none() | st.integers(0, 2))
    def set(self, session: str, name: str, value: Any, expect: int | None) -> None:
        variables = dict(self._variables(session))
        known = variables.get(name)
        if expect is not None and (known is None or len(known[2]) - 1 != expect):
            expected: str | None = "variable_not_found" if known is None else "version_conflict"
        else:
            expected = self._set(variables, name, value)
        more = {} if expect is None else {"expect": expect}
        assert self._kind("var_set", session=session, name=name, value=value, **more) == expected
        if expected is None:
            assert self.answer["version"] == len(variables[name][2]) - 1
            self._wrote(session, variables)

    @rule(session=SESSIONS, batch=st.dictionaries(NAMES, VALUES, min_size=1), atomic=st.booleans())
    def batch(self, session: str, batch: dict[str, Any], atomic: bool) -> None:
        variables = dict(self._variables(session))
        failed = {name for name, value in batch.items() if self._set(variables, name, value)}
        kind = self._kind("var_mset", session=session, values=batch, atomic=atomic)
        assert kind == ("invalid_value" if failed and atomic else None)
        if kind is None:
            assert {name for name, one in self.answer["results"].items() if "error" in one} == failed
            self._wrote(session, variables)

    @rule(session=SESSIONS, name=NAMES, version=st.integers(0, 3))
    def roll_back(self, session: str, name: str, version: int) -> None:
        variables = dict(self._variables(session))
        known = variables.get(name)
        kind = self._kind("var_rollback", session=session, name=name, version=version)
        if known is not None and version < len(known[2]):
            assert kind is None
            self._wrote(session, {**variables, name: (known[0], known[1], [*known[2], known[2][version]])})
        else:
            assert kind in {"session_not_found", "variable_not_found", "invalid_value"}

    @rule(session=SESSIONS, name=NAMES)
    def remove(self, session: str, name: str) -> None:
        variables = dict(self._variables(session))
        kind = self._kind("var_rm", session=session, name=name)
        assert (kind is None) == (name in variables)
        if kind is None:
            del variables[name]
            self._wrote(session, variables)

    @rule(session=SESSIONS)
    def end(self, session: str) -> None:
        assert self._kind("session_rm", session=session) is None
        self.sessions.pop(session, None)

    @rule(seconds=st.sampled_from([1.0, 60.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.store.now += seconds

    @rule()
    def sweep(self) -> None:
        self.store.sweep()

    @rule()
    def flush(self) -> None:
        self.store.flush()

    @invariant()
    def agrees(self) -> None:
        for session in ("s", "t"):
            variables = self._variables(session)
            kind = self._kind("var_list", session=session)
            if kind is not None:
                assert kind == "session_not_found"
                assert not variables
                continue
            # A read is a use, and a refused request may be one: the model learns from the store when the time began.
            self.used[session] = self.store.now
            self.sessions.setdefault(session, {})
            found = {one["name"]: (one["type"], one["version"], one["value"]) for one in self.answer}
            assert found == {name: (one[0], len(one[2]) - 1, one[2][-1]) for name, one in variables.items()}
            shown = self.store.ask("session_show", session=session)
            assert shown["variables"] == len(variables)
            rows = self.store.db.execute(
                "SELECT coalesce(sum(length(value)), 0) FROM variables"
                " JOIN sessions ON session = sessions.n WHERE id = ?",
                (session,),
            )
            assert shown["bytes"] == rows.fetchone()[0]


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestModel = Model.TestCase
