"""Sessions: their time, their end, their limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.server.store import touches
from snakepit_cli.server.store.clock import Clock
from tests.unit.store.kit import Store


def test_creating_twice_changes_nothing(store: Store) -> None:
    first = store.ask("session_create", session="s", ttl=60, metadata={"a": "1"})
    again = store.ask("session_create", session="s", ttl=5, metadata={"b": "2"})
    assert (first["new"], again["new"], again["ttl"], again["metadata"]) == (True, False, 60, {"a": "1"})
    made = store.ask("session_create")["id"]
    assert made
    assert made != store.ask("session_create")["id"]


def test_its_time_begins_anew_with_each_use(store: Store) -> None:
    store.ask("session_create", session="s", ttl=10)
    for _ in range(3):
        store.now += 9
        store.ask("session_touch", session="s")
    store.now += 9
    assert store.ask("session_list")["sessions"][0]["left"] == pytest.approx(1)
    store.now += 1
    assert store.refused("session_show", session="s").kind == "session_not_found"
    assert store.ask("session_list")["sessions"] == []


def test_it_cannot_be_read_after_its_end_although_nothing_has_swept_yet(store: Store) -> None:
    store.ask("session_create", session="s", ttl=10)
    store.ask("var_set", session="s", name="x", value=1)
    store.now += 10
    for op in ("session_show", "session_touch", "session_update", "var_list", "program_list", "var_export"):
        assert store.refused(op, session="s").kind == "session_not_found"
    assert store.ask("session_rm", session="s")["removed"] is False
    assert store.ask("session_create", session="s")["new"] is True
    assert store.ask("var_list", session="s") == []


def test_a_use_that_is_not_written_down_counts(store: Store) -> None:
    store.ask("session_create", session="s", ttl=10)
    store.touches.note("s", store.now + 5, calls=2)
    store.now += 12
    assert store.ask("session_touch", session="s")["calls"] == 2
    store.flush()
    store.now += 9
    assert store.ask("session_show", session="s")["calls"] == 2


def test_a_use_after_its_end_does_not_bring_it_back(store: Store) -> None:
    store.ask("session_create", session="s", ttl=10)
    store.flush()
    store.now += 20
    store.touches.note("s", store.now, calls=1)
    assert store.refused("session_show", session="s").kind == "session_not_found"
    store.flush()
    assert store.refused("session_show", session="s").kind == "session_not_found"
    assert store.sweep() == ["s"]


def test_a_session_does_not_end_while_a_call_of_it_runs(store: Store) -> None:
    store.ask("session_create", session="s", ttl=10)
    store.now += 9
    store.touches.hold("s", store.now)
    store.touches.hold("s", store.now)
    store.now += 100
    assert store.sweep() == []
    assert store.ask("session_list")["sessions"][0]["left"] == 10
    store.touches.release("s", store.now)
    store.now += 100
    assert store.sweep() == []
    store.touches.release("s", store.now)
    store.now += 9
    assert store.ask("session_show", session="s")["id"] == "s"
    store.now += 1
    assert store.sweep() == ["s"]


def test_a_call_does_not_bring_an_ended_session_back(store: Store) -> None:
    store.ask("session_create", session="s", ttl=10)
    store.now += 11
    store.touches.hold("s", store.now)
    assert store.refused("session_show", session="s").kind == "session_not_found"
    assert store.sweep() == ["s"]


def test_a_sweep_ends_only_what_is_overdue_and_leaves_nothing(store: Store) -> None:
    for name, ttl in (("a", 5), ("b", 50)):
        store.ask("session_create", session=name, ttl=ttl)
        for number in range(500):
            store.ask("var_set", session=name, name=f"x{number}", value=number)
        store.ask("var_depend", session=name, name="x1", on=["x2"])
        store.ask("program_put", session=name, id="p", data=1)
    store.now += 10
    assert store.sweep() == ["a"]
    assert [store.count(table) for table in ("sessions", "variables", "history", "programs", "depends")] == [
        1, 500, 500, 1, 1,
    ]  # fmt: skip


def test_removing_one_removes_what_is_in_it(store: Store) -> None:
    store.ask("var_set", session="s", name="x", value=1)
    assert store.ask("session_rm", session="s") == {"id": "s", "removed": True}
    assert store.work.ended == ["s"]
    assert store.refused("var_get", session="s", name="x").kind == "session_not_found"
    store.sweep()
    assert store.count("variables") == store.count("history") == store.count("sessions") == 0


def test_metadata(store: Store) -> None:
    store.ask("session_create", session="s", metadata={"a": "1", "b": "2"})
    assert store.ask("session_update", session="s", metadata={"a": None, "c": "3"})["metadata"] == {"b": "2", "c": "3"}
    assert store.ask("session_update", session="s", ttl=77)["ttl"] == 77
    assert store.refused("session_update", session="s", metadata={"x": "y" * 5000}).kind == "quota_exceeded"
    assert (
        store.refused("session_update", session="s", metadata={str(n): "" for n in range(31)}).kind == "quota_exceeded"
    )
    assert store.refused("session_update", session="s", ttl=0.5).kind == "usage"


def test_sessions_are_limited_and_ended_ones_do_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path, max_sessions=2)
    store.ask("session_create", session="a", ttl=5)
    store.ask("session_create", session="b")
    error = store.refused("session_create", session="c")
    assert error.message == "2 sessions are allowed ([session] max_sessions)"
    assert store.refused("var_set", session="c", name="x", value=1).kind == "quota_exceeded"
    store.now += 5
    store.sweep()
    assert store.ask("session_create", session="c")["new"]


def test_pages(store: Store) -> None:
    for number in range(5):
        store.ask("session_create", session=f"s{number}")
    page = store.ask("session_list", limit=2)
    seen = [one["id"] for one in page["sessions"]]
    while page["next"] is not None:
        page = store.ask("session_list", limit=2, after=page["next"])
        seen += [one["id"] for one in page["sessions"]]
    assert seen == [f"s{number}" for number in range(5)]
    assert [one["id"] for one in store.ask("session_list", pattern="*[34]")["sessions"]] == ["s3", "s4"]


def test_the_clock_does_not_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert Clock(now).now() >= now
    assert Clock().now() < now - 3000


@pytest.mark.parametrize("called", [False, True])
def test_uses_that_cannot_be_written_down_are_noted_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch, *, called: bool
) -> None:
    monkeypatch.setattr(touches, "_MOST", 2)
    noted = touches.Touches()
    for name in ("a", "b", "c", "a"):
        if called:
            noted.hold(name, 1.0)
            noted.release(name, 2.0)
        else:
            noted.note(name, 2.0)
    assert set(noted.take()) == {"a", "b"}


def test_expired_sessions_take_no_room(tmp_path: Path) -> None:
    store = Store(tmp_path, max_sessions=1)
    store.ask("session_create", session="a", ttl=1)
    assert store.refused("session_create", session="b").kind == "quota_exceeded"
    store.now += 2
    store.ask("session_create", session="b")
    assert store.ask("session_show", session="b")["id"] == "b"
