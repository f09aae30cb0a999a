"""The adapter `python`: what can be called, what is refused, and what is kept."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from snakepit_bridge import CallContext
from snakepit_bridge.adapters.modules import ModulesAdapter
from snakepit_bridge.adapters.modules.objects import Objects, StoreError
from snakepit_bridge.failures import Refusal
from snakepit_bridge.resolve import resolve

MODULES = "statistics,os.path,json,math,functools,collections"
CTX = CallContext("call")


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> ModulesAdapter:
    monkeypatch.setenv("SNAKEPIT_MODULES", MODULES)
    monkeypatch.setenv("SNAKEPIT_WORKER_ID", "data-pool-3")
    return ModulesAdapter()


def in_session(name: str) -> CallContext:
    return CallContext("call", name)


def test_it_is_called_python() -> None:
    assert resolve("python") is ModulesAdapter
    assert resolve("python:python") is ModulesAdapter


@pytest.mark.parametrize(
    ("target", "args", "kwargs", "result"),
    [
        ("statistics.mean", [[1, 2, 3]], {}, 2),
        ("os.path.join", ["a", "b"], {}, "a/b"),
        ("json.dumps", [{"a": 1}], {"separators": [",", ":"]}, '{"a":1}'),
        ("json.decoder.JSONDecoder", [], {}, None),
        ("math.hypot", [3, 4], {}, 5.0),
        ("statistics.NormalDist.from_samples", [[1, 2, 3]], {}, statistics.NormalDist.from_samples([1, 2, 3])),
        ("collections.Counter", ["aab"], {}, {"a": 2, "b": 1}),
        ("collections.abc.Sized.__call__", [], {}, TypeError),
    ],
)
def test_what_can_be_called(
    adapter: ModulesAdapter, target: str, args: list[Any], kwargs: dict[str, Any], result: Any
) -> None:
    if result is TypeError:
        with pytest.raises(TypeError):
            adapter.call(target, args, kwargs, ctx=CTX)
        return
    found = adapter.call(target, args, kwargs, ctx=CTX)
    assert result is None or found == result


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("os.system", "`os.system` is in none of the pool's modules (statistics, os.path, json, math, functools, coll"),
        (
            "os",
            'set modules = ["statistics", "os.path", "json", "math", "functools", "collections", "os"]',
        ),
        ("builtins.eval", "is in none of the pool's modules"),
        ("statistic.mean", "did you mean `statistics`?"),
        ("statisticsx.mean", "is in none of"),
        ("os.path.sys", "`os.path.sys` is not `os.path`'s own: it belongs to sys, which the pool does not name"),
        ("os.path.sys.modules", "it belongs to sys"),
        ("statistics.Fraction", "it belongs to fractions"),
        ("json.codecs.open", "it belongs to codecs"),
        ("os.path.os.system", "it belongs to os"),
        ("statistics.mean.__globals__", "`statistics.mean.__globals__` is private"),
        ("statistics.__dict__", "is private"),
        ("statistics._sum", "is private"),
        ("statistics.meen", "`statistics` has no `meen`; did you mean `mean`"),
        ("statistics..mean", "'' is not a name"),
        ("statistics.mean ", "is not a name"),
        ("", "is in none of"),
        ("math.pi", "`math.pi` is of type float, which cannot be called"),
        ("math", "`math` is of type module, which cannot be called"),
        ("stored.x", "nothing is stored as `x` outside of sessions in this worker"),
    ],
)
def test_what_cannot(adapter: ModulesAdapter, target: str, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        adapter.call(target, ctx=CTX)
    assert words in str(caught.value)


def test_a_pool_that_names_no_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEPIT_MODULES", "")
    monkeypatch.setenv("SNAKEPIT_WORKER_ID", "default-1")
    with pytest.raises(Refusal, match=r'set modules = \["statistics"\] below \[pools.default\] in the configuration'):
        ModulesAdapter().call("statistics.mean", ctx=CTX)


def test_objects_are_stored_used_and_deleted(adapter: ModulesAdapter) -> None:
    kept = adapter.call("statistics.NormalDist", [10, 2], store_as="dist", ctx=CTX)
    assert kept == {"id": "dist", "type": "statistics.NormalDist", "scope": "worker"}
    assert adapter.call("stored.dist.cdf", [10], ctx=CTX) == 0.5
    assert adapter.store("points", [1, 2, 3], CTX)["type"] == "list"
    assert adapter.call("statistics.mean", ["stored.points"], ctx=CTX) == 2
    assert adapter.call("statistics.mean", kwargs={"data": [1, 5]}, ctx=CTX) == 3
    assert adapter.call("json.dumps", [{"deep": ["stored.points", "stored.x.y"]}], ctx=CTX) == (
        '{"deep": [[1, 2, 3], "stored.x.y"]}'
    )
    assert adapter.retrieve("points", CTX) == [1, 2, 3]
    assert [one["id"] for one in adapter.list_stored(CTX)["stored"]] == ["dist", "points"]
    assert adapter.delete_stored("points", CTX) == {"id": "points", "deleted": True}
    assert adapter.delete_stored("points", CTX)["deleted"] is False
    with pytest.raises(Refusal, match="nothing is stored as `points`"):
        adapter.retrieve("points", CTX)


@pytest.mark.parametrize("path", ["__class__", "mean.__self__", "_mu", "nosuch", "cdf.__func__.__globals__"])
def test_innards_of_stored_objects_are_private(adapter: ModulesAdapter, path: str) -> None:
    adapter.call("statistics.NormalDist", store_as="d", ctx=CTX)
    with pytest.raises(Refusal, match=r"is private|has no"):
        adapter.call(f"stored.d.{path}", ctx=CTX)


def test_text_does_not_read_attributes_and_generators_do_not_lead_out(adapter: ModulesAdapter) -> None:
    adapter.store("t", "{0.__class__}", CTX)
    adapter.call("collections.Counter", ["ab"], store_as="c", ctx=CTX)
    adapter.call("stored.c.elements", store_as="g", ctx=CTX)
    for target in ("stored.t.format", "stored.t.format_map", "stored.g.gi_frame"):
        with pytest.raises(Refusal, match="is private"):
            adapter.call(target, ["stored.c"], ctx=CTX)


def test_a_session_has_its_own_and_loses_it_with_its_end(adapter: ModulesAdapter) -> None:
    one, two = in_session("one"), in_session("two")
    assert adapter.store("x", 1, one)["scope"] == "session"
    adapter.store("x", 2, two)
    assert (adapter.retrieve("x", one), adapter.retrieve("x", two)) == (1, 2)
    assert adapter.list_stored(CTX)["stored"] == []
    adapter.session_ended("one")
    adapter.session_ended("unknown")
    with pytest.raises(Refusal, match="nothing is stored as `x` in session one"):
        adapter.retrieve("x", one)
    assert adapter.retrieve("x", two) == 2


def test_the_store_is_bounded_over_all_sessions() -> None:
    objects = Objects(most=2)
    objects.put("", "a", 1)
    objects.put("s", "b", 1)
    objects.put("s", "b", 2)
    with pytest.raises(StoreError, match="2 objects are stored in this worker"):
        objects.put("t", "c", 1)
    objects.delete("", "a")
    objects.put("t", "c", 1)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "é", "x" * 65, None, 5])
def test_names_of_objects(adapter: ModulesAdapter, name: Any) -> None:
    with pytest.raises(Refusal, match="cannot be a name"):
        adapter.store(name, 1, CTX)


def test_a_target_is_described(adapter: ModulesAdapter) -> None:
    found = adapter.inspect("statistics.mean", CTX)
    assert (found["type"], found["callable"], found["signature"]) == ("function", True, "(data)")
    assert found["doc"].startswith("Return the sample arithmetic mean")
    assert "mean" in adapter.inspect("statistics", CTX)["members"]
    adapter.store("x", [1], CTX)
    assert adapter.inspect("stored.x", CTX)["type"] == "list"
    with pytest.raises(Refusal, match="none of the pool's modules"):
        adapter.inspect("os", CTX)
