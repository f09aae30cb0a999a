"""Variables in one session: versions, batches, history, dependencies, their own time, limits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.unit.store.kit import Store


def put(store: Store, name: str, value: Any, **more: Any) -> int:
    version: int = store.ask("var_set", session="s", name=name, value=value, **more)["version"]
    return version


def value(store: Store, name: str) -> Any:
    return store.ask("var_get", session="s", name=name)["value"]


def test_versions_count_from_0(store: Store) -> None:
    assert [put(store, "x", number) for number in range(3)] == [0, 1, 2]
    found = store.ask("var_get", session="s", name="x")
    assert (found["version"], found["value"], found["type"]) == (2, 2, "integer")
    assert found["id"].startswith("var_x_")


def test_a_variable_has_an_id_that_does_for_its_name(store: Store) -> None:
    put(store, "x_1", 7)
    id_ = store.ask("var_get", session="s", name="x_1")["id"]
    assert store.ask("var_get", session="s", name=id_)["name"] == "x_1"
    assert store.ask("var_set", session="s", name=id_, value=8) == {"name": "x_1", "version": 1}
    assert value(store, "x_1") == 8
    assert store.ask("var_mget", session="s", names=[id_])["found"][id_]["value"] == 8
    put(store, "other", 1)
    for strange in ("var_x_1_999", "var_other_1", "var_x_1_", "var__1", f"{id_}0", f"x{id_}"):
        assert store.refused("var_get", session="s", name=strange).kind == "variable_not_found"
    store.ask("var_rm", session="s", name=id_)
    assert store.refused("var_get", session="s", name=id_).kind == "variable_not_found"


def test_registering_twice_is_refused_unless_it_is_to_replace(store: Store) -> None:
    first = {"session": "s", "name": "x", "type": "float", "value": 1, "constraints": {"max": 2}}
    assert store.ask("var_register", **first)["value"] == 1.0
    assert store.refused("var_register", **first).kind == "already_exists"
    again = store.ask("var_register", **{**first, "type": "string", "value": "a", "constraints": {}}, replace=True)
    assert (again["type"], again["version"], again["constraints"]) == ("string", 1, {})
    assert store.refused("var_register", **{**first, "name": "y", "type": "odd"}).kind == "invalid_value"
    assert store.count("variables") == 1


@pytest.mark.parametrize("bad", ["x", None, {"a": 1}, [1]])
def test_a_wrong_value_changes_nothing(store: Store, bad: Any) -> None:
    store.ask("var_register", session="s", name="t", type="float", value=0.5, constraints={"min": 0, "max": 1})
    error = store.refused("var_set", session="s", name="t", value=bad)
    assert error.kind == "invalid_value"
    assert error.message.startswith("t: cannot convert ")
    assert store.refused("var_set", session="s", name="t", value=1.5).message == "t: value 1.5 is above maximum 1"
    assert value(store, "t") == 0.5


def test_compare_and_set(store: Store) -> None:
    put(store, "x", 1)
    assert put(store, "x", 2, expect=0) == 1
    error = store.refused("var_set", session="s", name="x", value=3, expect=0)
    assert (error.kind, error.detail["version"]) == ("version_conflict", 1)
    assert store.refused("var_rm", session="s", name="x", expect=0).kind == "version_conflict"
    assert store.refused("var_rollback", session="s", name="x", version=0, expect=0).kind == "version_conflict"
    assert store.refused("var_set", session="s", name="new", value=3, expect=0).kind == "variable_not_found"


def test_a_variable_is_not_made_when_that_is_not_wanted(store: Store) -> None:
    assert store.refused("var_set", session="s", name="x", value=3, create=False).kind == "variable_not_found"


def test_a_batch(store: Store) -> None:
    put(store, "f", 0.5)
    answer = store.ask("var_mset", session="s", values={"f": "hot", "g": 1, "": 2, "h\0": 1})
    assert answer["results"]["g"] == {"version": 0}
    assert answer["results"]["f"]["error"]["kind"] == "invalid_value"
    assert answer["results"][""]["error"]["kind"] == answer["results"]["h\0"]["error"]["kind"] == "usage"
    error = store.refused("var_mset", session="s", values={"g": 2, "f": "hot", "k": None}, atomic=True)
    assert set(error.detail["failed"]) == {"f", "k"}
    assert value(store, "g") == 1
    assert store.ask("var_mset", session="s", values={"g": 2, "f": 1}, atomic=True, expect={"g": 0})["results"] == {
        "g": {"version": 1}, "f": {"version": 1},
    }  # fmt: skip
    found = store.ask("var_mget", session="s", names=["f", "no", "g"])
    assert (list(found["found"]), found["missing"]) == (["f", "g"], ["no"])


def test_patterns_are_globs_over_whole_names(store: Store) -> None:
    for name in ("abc", "abd", "xabc", "a.c", "a/b", "[x]"):
        put(store, name, 1)

    def names(pattern: str) -> list[str]:
        return [one["name"] for one in store.ask("var_list", session="s", pattern=pattern)]

    assert names("*") == ["abc", "abd", "xabc", "a.c", "a/b", "[x]"]
    assert names("ab?") == ["abc", "abd"]
    assert names("a.c") == ["a.c"]
    assert names("ab[!c]") == ["abd"]
    assert names("a*b") == ["a/b"]
    assert names("[[]x]") == ["[x]"]


def test_history_and_rollback(store: Store) -> None:
    for number in range(4):
        put(store, "x", number, metadata={"n": number})
    assert store.ask("var_rollback", session="s", name="x", version=1) == {"name": "x", "version": 4}
    assert value(store, "x") == 1
    changes = store.ask("var_history", session="s", name="x")
    assert [(one["event"], one["version"], one["value"]) for one in changes] == [
        ("register", 0, 0), ("set", 1, 1), ("set", 2, 2), ("set", 3, 3), ("rollback", 4, 1),
    ]  # fmt: skip
    assert [one["revision"] for one in changes] == [1, 2, 3, 4, 5]
    assert changes[2]["metadata"] == {"n": 2}
    assert store.ask("var_history", session="s", name="x", limit=2) == changes[-2:]
    assert store.refused("var_rollback", session="s", name="x", version=9).kind == "invalid_value"


def test_history_has_a_limit(tmp_path: Path) -> None:
    store = Store(tmp_path, history=3)
    for number in range(10):
        put(store, "x", number)
    assert [one["version"] for one in store.ask("var_history", session="s", name="x")] == [7, 8, 9]
    assert store.refused("var_rollback", session="s", name="x", version=2).kind == "history_lost"
    assert store.count("history") == 3


def test_old_versions_have_a_limit_in_bytes(tmp_path: Path) -> None:
    store = Store(tmp_path, max_bytes=10_000)
    for number in range(100):
        put(store, "x", str(number) * 400)
    (kept,) = store.db.execute("SELECT sum(length(value)) FROM history").fetchone()
    assert 5_000 < kept <= 10_000
    assert store.ask("session_show", session="s")["bytes"] == 802


def test_dependencies(store: Store) -> None:
    for name in "abc":
        put(store, name, 1)
    store.ask("var_depend", session="s", name="b", on=["a"])
    store.ask("var_depend", session="s", name="c", on=["b"])
    assert store.refused("var_depend", session="s", name="a", on=["c"]).kind == "in_use"
    assert store.refused("var_depend", session="s", name="a", on=["a"]).kind == "in_use"
    assert store.refused("var_rm", session="s", name="a").kind == "in_use"
    put(store, "a", 2)
    listed = {one["name"]: one for one in store.ask("var_list", session="s")}
    assert [name for name, one in listed.items() if one["stale"]] == ["b", "c"]
    assert listed["c"]["depends"] == ["b"]
    assert [change.event for change in store.work.changes] == []
    put(store, "b", 2)
    assert not store.ask("var_get", session="s", name="b")["stale"]
    store.ask("var_depend", session="s", name="b", on=[])
    store.ask("var_rm", session="s", name="a")
    assert store.count("depends") == 1


def test_a_variable_has_a_time_of_its_own(store: Store) -> None:
    store.ask("var_register", session="s", name="x", type="integer", value=1, ttl=10)
    store.now += 9
    put(store, "x", 2)
    store.now += 9
    assert value(store, "x") == 2
    store.now += 2
    assert store.refused("var_get", session="s", name="x").kind == "variable_not_found"
    assert store.ask("var_list", session="s") == []
    assert put(store, "x", "other") == 0
    assert store.ask("session_show", session="s")["variables"] == 1


def test_limits_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path, max_variables=2, max_bytes=100)
    put(store, "a", 1)
    put(store, "b", 1)
    assert "[session] max_variables" in store.refused("var_set", session="s", name="c", value=1).message
    store.ask("var_register", session="s", name="b", type="string", value="", replace=True)
    assert "[session] max_bytes" in store.refused("var_set", session="s", name="b", value="x" * 99).message
    assert put(store, "a", 2) == 1
    store.ask("var_rm", session="s", name="b")
    assert put(store, "c", 1) == 0


def test_what_is_exported_can_be_imported(store: Store) -> None:
    store.ask("var_register", session="s", name="t", type="float", value=1, constraints={"max": 2}, metadata={"a": 1})
    put(store, "u", [1, 2])
    store.ask("var_depend", session="s", name="u", on=["t"])
    exported = store.ask("var_export", session="s")
    assert store.ask("var_import", session="s2", variables=exported) == {"imported": 2}
    facts = ("name", "type", "value", "constraints", "metadata", "depends")
    assert [[one[fact] for fact in facts] for one in store.ask("var_export", session="s2")] == [
        [one[fact] for fact in facts] for one in exported
    ]
    exported[0]["value"] = "wrong"
    assert store.refused("var_import", session="s3", variables=exported).kind == "invalid_value"
    assert store.refused("var_import", session="s3", variables=[{"name": "x"}]).kind == "usage"


@pytest.mark.parametrize("name", ["a/b", "é", "a b", "*", "." * 255, "--x", "SELECT"])
def test_odd_names(store: Store, name: str) -> None:
    put(store, name, 1)
    assert value(store, name) == 1


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 10_240, "é" * 200])
def test_names_that_are_refused(store: Store, name: str) -> None:
    assert store.refused("var_set", session="s", name=name, value=1).kind == "usage"


def test_programs(tmp_path: Path) -> None:
    store = Store(tmp_path, max_programs=2, max_bytes=50)
    assert store.ask("program_put", session="s", id="p", data={"a": 1})["session"] == "s"
    store.ask("program_put", id="p", data="all", **{"global": True})
    assert store.ask("program_get", session="s", id="p")["data"] == {"a": 1}
    assert store.ask("program_get", session="other", id="p")["data"] == "all"
    assert store.refused("program_put", session="s", id="p", data=1, create=True).kind == "already_exists"
    store.ask("program_put", session="s", id="p", data=2)
    store.ask("program_put", session="s", id="q", data=2)
    assert store.refused("program_put", session="s", id="r", data=2).kind == "quota_exceeded"
    assert store.refused("program_put", session="s", id="q", data="x" * 60).kind == "quota_exceeded"
    assert [one["id"] for one in store.ask("program_list", session="s", pattern="q*")] == ["q"]
    store.ask("program_rm", session="s", id="p")
    assert store.ask("program_get", session="s", id="p")["session"] is None
    assert store.refused("program_rm", session="s", id="p").kind == "program_not_found"
    assert store.ask("session_show", session="s")["programs"] == 1


@pytest.mark.parametrize("later", ["s", "t"])
def test_what_took_the_place_of_a_removed_variable_has_not_its_past(store: Store, later: str) -> None:
    store.ask("var_set", session="s", name="first", value="of another")
    store.ask("var_rm", session="s", name="first")
    store.ask("var_set", session=later, name="first", value=1)
    assert [one["value"] for one in store.ask("var_history", session=later, name="first")] == [1]
    store.ask("var_rollback", session=later, name="first", version=0)
    assert store.ask("var_get", session=later, name="first")["value"] == 1


def test_a_chain_of_dependencies_may_be_long(store: Store) -> None:
    names = [f"v{n}" for n in range(1500)]
    store.ask("var_mset", session="s", values=dict.fromkeys(names, 1))
    for source, name in pairwise(names):
        store.ask("var_depend", session="s", name=name, on=[source])
    store.ask("var_set", session="s", name=names[0], value=2)
    assert [one["name"] for one in store.ask("var_list", session="s") if one["stale"]] == names[1:]


def test_expired_variables_take_no_room(tmp_path: Path) -> None:
    store = Store(tmp_path, max_variables=1, max_bytes=100)
    store.ask("var_register", session="s", name="a", type="string", value="x" * 90, ttl=1)
    assert store.refused("var_set", session="s", name="b", value=1).kind == "quota_exceeded"
    store.now += 2
    store.ask("var_set", session="s", name="b", value="y" * 90)
    assert [one["name"] for one in store.ask("var_list", session="s")] == ["b"]
