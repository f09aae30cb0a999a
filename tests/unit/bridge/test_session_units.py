"""The parts of a session in this process: the cache, types, errors, values that can be awaited."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakepit_bridge import (
    CallContext,
    CallFailedError,
    InvalidValueError,
    NoSessionError,
    ProgramNotFoundError,
    SessionContext,
    TypeValidator,
    VariableNotFoundError,
    VariableType,
    errors,
    jsonio,
)
from snakepit_bridge.datatypes import from_json, to_json
from snakepit_bridge.runtime import variable_cache
from snakepit_bridge.runtime.replies import Replies
from snakepit_bridge.runtime.variable_cache import MISSING, VariableCache


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(variable_cache, "monotonic", one)
    return one


def keep(cache: VariableCache, session: str, name: str, value: Any, lease: float = 10, size: int = 10) -> None:
    cache.keep(cache.ticket(session), name, value, lease, size)


# -------------------------------------------------------------------------------------------------- cache


def test_a_lease_counts_from_when_the_request_was_sent(clock: Clock) -> None:
    cache = VariableCache()
    ticket = cache.ticket("s")
    clock.now += 9.5
    cache.keep(ticket, "t", 1, 10, 10)
    assert cache.get("s", "t") == 1
    clock.now += 0.5
    assert cache.get("s", "t") is MISSING


def test_a_shorter_time_can_be_asked_for_and_no_longer_one(clock: Clock) -> None:
    cache = VariableCache()
    keep(cache, "s", "t", 1)
    clock.now += 5
    assert cache.get("s", "t", 6) == 1
    assert cache.get("s", "t", 5) is MISSING
    assert cache.get("s", "t", 0) is MISSING
    clock.now += 5
    assert cache.get("s", "t", 60) is MISSING


@pytest.mark.parametrize("how", ["name", "session", "all", "lost"])
def test_what_an_invalidation_overtakes_is_not_kept(how: str) -> None:
    cache = VariableCache()
    ticket = cache.ticket("s")
    if how == "name":
        cache.drop("s", ["t"])
    elif how == "session":
        cache.drop("s")
    else:
        cache.clear()
    cache.keep(ticket, "t", 1, 10, 10)
    assert cache.get("s", "t") is MISSING
    keep(cache, "s", "t", 2)
    assert cache.get("s", "t") == 2


def test_nothing_is_kept_without_a_lease_or_beyond_the_largest_size() -> None:
    cache = VariableCache()
    keep(cache, "s", "t", 1, lease=0)
    keep(cache, "s", "u", 1, size=variable_cache.LARGEST + 1)
    assert (cache.get("s", "t"), cache.get("s", "u")) == (MISSING, MISSING)


def test_it_is_bounded_in_entries_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variable_cache, "MOST_ENTRIES", 50)
    cache = VariableCache()
    for number in range(500):
        keep(cache, f"s{number % 7}", str(number), number)
        assert sum(len(one.entries) for one in cache._sessions.values()) <= 50
    for number in range(500):
        cache.ticket(f"session {number}")
        keep(cache, "s", "t", 1)
        assert len(cache._sessions) <= 50
    monkeypatch.setattr(variable_cache, "MOST_BYTES", 1000)
    cache = VariableCache()
    for number in range(100):
        keep(cache, "s", str(number), number, size=300)
        assert len(cache._sessions["s"].entries if "s" in cache._sessions else ()) <= 3


def test_its_counts_come_back_to_nothing() -> None:
    cache = VariableCache()
    for _ in range(3):
        keep(cache, "s", "t", 1)
        keep(cache, "s", "u", 1)
    assert (cache._entries, cache._bytes) == (2, 20)
    cache.drop("s", ["t", "never"])
    assert (cache._entries, cache._bytes) == (1, 10)
    cache.drop("s")
    assert (cache._entries, cache._bytes) == (0, 0)


def test_a_forked_child_keeps_nothing() -> None:
    cache = VariableCache()
    keep(cache, "s", "t", 1)
    cache.abandon()
    keep(cache, "s", "t", 1)
    assert cache.get("s", "t") is MISSING


Values = st.recursive(  # of JSON
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(Values)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(value: Any) -> None:
    copy = variable_cache.copied(value)
    assert copy == value
    assert not _containers(copy) & _containers(value)


def _containers(value: Any) -> set[int]:
    if isinstance(value, dict):
        return {id(value)}.union(*map(_containers, value.values()))
    return {id(value)}.union(*map(_containers, value)) if isinstance(value, list) else set()


# -------------------------------------------------------------------------------------------------- errors


def test_every_class_of_error_says_its_kind_and_its_message() -> None:
    for kind, cls in errors._CLASSES.items():
        error = errors.error_of(kind, "why", "", "")
        assert type(error) is cls
        assert isinstance(error, CallFailedError)
        assert (error.kind, error.message, str(error)) == (kind, "why", f"{kind}: why")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.kind, again.message) == (cls, kind, "why")
    assert type(errors.error_of("worker_crashed", "why")) is CallFailedError
    assert issubclass(VariableNotFoundError, KeyError)
    assert issubclass(ProgramNotFoundError, KeyError)
    assert issubclass(InvalidValueError, ValueError)


# --------------------------------------------------------------------------------------------------- types


def test_numbers_that_json_cannot_hold_travel_by_name() -> None:
    assert [to_json(one) for one in (math.inf, -math.inf, math.nan, 0.5)] == ["Infinity", "-Infinity", "NaN", 0.5]
    assert [from_json(one, "float") for one in ("Infinity", "-Infinity", 2)] == [math.inf, -math.inf, 2.0]
    assert math.isnan(from_json("NaN", "float"))
    assert type(from_json(2, "float")) is float
    assert from_json("NaN", "string") == "NaN"


class Array:
    """Imitates numpy."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def reshape(self, _: int) -> Array:
        return Array(math.prod(self.shape))

    def tolist(self) -> Any:
        return list(range(self.shape[0])) if self.shape else 7.0


def test_arrays_become_embeddings_and_tensors() -> None:
    assert to_json(Array(3)) == [0, 1, 2]
    assert to_json(Array(3), "tensor") == {"shape": [3], "data": [0, 1, 2]}
    assert to_json(Array(2, 2)) == {"shape": [2, 2], "data": [0, 1, 2, 3]}
    assert to_json(Array()) == 7.0
    assert TypeValidator.infer_type(Array(2, 2)) is VariableType.TENSOR


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"), (1, "integer"), (1.0, "float"), ("a", "string"), ([1, 2.5], "embedding"), ([], "list"),
        ([1, True], "list"), (["a"], "list"), ({"shape": [1], "data": [1]}, "tensor"), ({"a": 1}, "map"),
        (None, "string"), (Array(2), "embedding"), (Array(), "float"),
    ],
)  # fmt: skip
def test_types_are_inferred(value: Any, kind: str) -> None:
    assert TypeValidator.infer_type(value) == kind


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("float", 1, 1.0), ("float", "Infinity", math.inf), ("integer", 2.0, 2), ("string", "a", "a"),
        ("boolean", "true", True), ("boolean", 0, False),
        ("choice", "a", "a"), ("module", "m", "m"), ("embedding", (1, 2), [1.0, 2.0]),
        ("tensor", {"shape": [2, 2], "data": [[1, 2], [3, 4]]}, {"shape": [2, 2], "data": [[1, 2], [3, 4]]}),
        ("embedding", [[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]), ("map", {"a": 1}, {"a": 1}),
        ("list", (1,), [1]), (VariableType.FLOAT, 1, 1.0),
    ],
)  # fmt: skip
def test_values_are_made_what_the_type_holds(kind: str, value: Any, made: Any) -> None:
    found = TypeValidator.get_validator(kind).validate(value)
    assert (found, type(found)) == (made, type(made))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("float", "hot", "must be a number"), ("float", True, "must be a number"),
        ("integer", "1", "must be an integer"),
        ("integer", 1.5, "must be a whole number, got 1.5"), ("integer", math.inf, "must be a whole number, got inf"),
        ("string", 1, "must be a string"), ("boolean", 2, "must be a boolean"), ("boolean", [], "must be a boolean"),
        ("module", 1, "must be a module name"), ("embedding", ["a"], "must be a list of numbers"),
        ("embedding", [[1], [1, 2]], "lists of one length"),
        ("embedding", "ab", "must be a list of numbers"), ("tensor", [1], "must be a tensor with shape and data"),
        ("tensor", {"shape": [3], "data": [1]}, "data size doesn't match shape"), ("map", [], "must be a map"),
        ("list", "ab", "must be a list"), ("colour", 1, "no type `colour`; there are float"),
    ],
)  # fmt: skip
def test_other_values_are_refused(kind: str, value: Any, text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        TypeValidator.get_validator(kind).validate(value)
    assert text in refused.value.message


# ------------------------------------------------------------------------------ with and without `await`


class Server:
    """Answers from a dict, after a turn of the loop when it is awaited."""

    def __init__(self, **values: Any) -> None:
        self.cache = VariableCache()
        self.values = values
        self.blocked = 0
        self.awaited = 0

    def query(self, query: dict[str, Any]) -> Any:
        self.blocked += 1
        return self._answer(query)

    async def query_later(self, query: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        self.awaited += 1
        return self._answer(query)

    def stream(self, query: dict[str, Any]) -> Replies:
        raise NotImplementedError

    def _answer(self, query: dict[str, Any]) -> Any:
        name = query["name"]
        if name not in self.values:
            raise VariableNotFoundError("variable_not_found", name)
        return {"name": name, "type": "map", "value": self.values[name]}


VALUES = [0.5, 3, "text", [1, [2]], {"a": 1}, True, False]


def test_outside_of_a_loop_the_value_itself_is_returned() -> None:
    for value in VALUES:
        found = SessionContext(Server(t=value), "s").get_variable("t")
        assert (found, type(found)) == (value, type(value))


def test_directly_behind_await_the_loop_is_not_blocked() -> None:
    async def run(value: Any) -> None:
        server = Server(t=value)
        ctx = SessionContext(server, "s")
        found = await ctx.get_variable("t")
        assert (found, type(found)) == (value, type(value))
        found = [await ctx.get_variable(name) for name in ("t", "t")][1]
        assert (await ctx.get_variable(*("t",)), await ctx.get_variable(identifier="t")) == (value, value)
        assert (found, type(found)) == (value, type(value))
        assert (server.blocked, server.awaited) == (0, 5)

    for value in VALUES:
        asyncio.run(run(value))


def test_used_plainly_in_a_loop_the_value_is_there_at_once() -> None:
    async def run(value: Any) -> None:
        server = Server(t=value)
        found = SessionContext(server, "s").get_variable("t")
        assert (server.blocked, server.awaited) == (1, 0)
        assert found == value
        assert isinstance(found, type(value))
        assert (str(found), repr(found), f"{found}") == (str(value), repr(value), f"{value}")
        assert json.loads(jsonio.dumps({"it": found})) == {"it": value}
        again = pickle.loads(pickle.dumps(found))
        assert (again, type(again)) == (value, type(value))

    for value in VALUES:
        asyncio.run(run(value))


def test_used_plainly_in_a_loop_it_can_still_be_awaited_later() -> None:
    async def run() -> None:
        ctx = SessionContext(Server(a=0.5, b=[1], c={"x": 1}, d="text", e=3), "s")
        found = await asyncio.gather(*(ctx.get_variable(name) for name in "abcde"))
        assert found == [0.5, [1], {"x": 1}, "text", 3]
        assert [type(one) for one in found] == [float, list, dict, str, int]
        assert await asyncio.wait_for(asyncio.ensure_future(ctx.get_variable("a")), 5) == 0.5

        def helper() -> Any:
            return ctx.get_variable("a")

        assert await helper() == 0.5

    asyncio.run(run())


def test_a_kept_value_is_returned_in_all_three_ways() -> None:
    async def run() -> None:
        server = Server()
        keep(server.cache, "s", "t", True)
        keep(server.cache, "s", "u", [1])
        ctx = SessionContext(server, "s")
        assert await ctx.get_variable("t") is True
        assert ctx.get_variable("t") is True
        assert ctx.get_variable("u") == [1]
        assert await asyncio.gather(ctx.get_variable("u")) == [[1]]
        assert "t" in ctx
        assert ctx["t"] is True
        assert ctx.v.t is True
        assert await ctx.get_variables(["t", "u"]) == {"t": True, "u": [1]}
        ctx.set_cache_ttl(timedelta(0))
        with pytest.raises(VariableNotFoundError):
            ctx["t"]
        assert (server.blocked, server.awaited) == (1, 0)

    asyncio.run(run())


def test_an_error_is_raised_where_it_is_met() -> None:
    async def run() -> None:
        ctx = SessionContext(Server(), "s")
        with pytest.raises(VariableNotFoundError):
            ctx.get_variable("t")
        pending = ctx.variable("t")
        with pytest.raises(VariableNotFoundError):
            pending.value  # noqa: B018
        with pytest.raises(VariableNotFoundError):
            await ctx.get_variable("t")
        assert "t" not in ctx
        assert 7 not in ctx

    asyncio.run(run())


def test_leaving_the_context_removes_the_session() -> None:
    class Removing(Server):
        def _answer(self, query: dict[str, Any]) -> Any:
            assert query == {"op": "session_rm"}
            return {"removed": True}

    server = Removing()
    keep(server.cache, "s", "t", 1)
    with SessionContext(server, "s") as ctx:
        assert ctx["t"] == 1
    assert server.cache.get("s", "t") is MISSING
    assert server.blocked == 1

    async def run() -> None:
        async with SessionContext(server, "s"):
            pass

    asyncio.run(run())
    assert server.awaited == 1


class Programs(Server):
    """Global programs."""

    def _answer(self, query: dict[str, Any]) -> Any:
        assert query["global"] is True
        name = query["id"]
        if query["op"] == "program_put":
            self.values[name] = query["data"]
            return {"id": name}
        if name not in self.values:
            raise ProgramNotFoundError("program_not_found", name)
        return {"data": self.values[name]} if query["op"] == "program_get" else {"removed": bool(self.values.pop(name))}


def test_global_programs_by_names_of_their_own() -> None:
    """They need no session."""
    ctx = SessionContext(Programs())
    assert ctx.register_global_program("p", {"a": 1}) == {"id": "p"}
    assert ctx.get_global_program("p") == {"a": 1}
    assert ctx.delete_global_program("p") is True
    with pytest.raises(ProgramNotFoundError):
        ctx.get_global_program("p")


def test_global_programs_with_await() -> None:
    async def run() -> None:
        server = Programs()
        ctx = SessionContext(server, "s")
        await ctx.register_global_program("p", [1])
        assert await ctx.get_global_program("p") == [1]
        assert await ctx.delete_global_program("p") is True
        assert (server.blocked, server.awaited) == (0, 3)

    asyncio.run(run())


def test_a_loop_in_another_thread_does_not_matter_here() -> None:
    loop = asyncio.new_event_loop()
    try:
        found = loop.run_until_complete(asyncio.to_thread(SessionContext(Server(t=0.5), "s").get_variable, "t"))
        assert type(found) is float
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


# ------------------------------------------------------------------------------------- without a session


def test_a_context_without_a_session() -> None:
    ctx = CallContext("x").session
    assert not ctx
    assert (str(ctx), repr(ctx), ctx.session_id) == ("", "SessionContext('')", "")
    for use in (
        lambda: ctx["t"],
        lambda: ctx.get_variable("t"),
        ctx.list_variables,
        lambda: ctx.v.t,
        lambda: "t" in ctx,
        lambda: ctx.get_program("p"),
        ctx.watch_variables,
    ):
        with pytest.raises(NoSessionError):
            use()
    with pytest.raises(CallFailedError, match="no server"):
        ctx.get_program("p", everywhere=True)
    with pytest.raises(CallFailedError, match="no server"):
        CallContext("x", "s").session["t"]
    with pytest.raises(TypeError, match="list_variables"):
        iter(ctx)
