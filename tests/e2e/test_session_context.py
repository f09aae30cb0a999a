"""Handlers that use the session of their call, through the server."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator

import pytest

from snakepit_cli.client.state import Session, Sessions
from tests.e2e.conftest import PUPPETS, finish
from tests.harness import wait
from tests.harness.pit import Pit

PUPPET = PUPPETS / "rememberer.py"
CONFIG = f"""
[pools.default]
adapter = "{PUPPET}:Rememberer"
size = 2
[pools.announced]
adapter = "{PUPPET}:Announced"
size = 1
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        one.run("up")
        one.run("up", "announced")
        yield one


def test_what_one_call_sets_the_next_one_gets_on_any_worker(pit: Pit) -> None:
    pit.run("exec", "set", "name=t", "value:=0.5", "--session", "next")
    assert pit.run("exec", "get", "name=t", "--session", "next").stdout == "0.5\n"
    pit.run("exec", "set", "--pool", "announced", "name=t", "value:=0.75", "--session", "next")
    assert pit.run("exec", "get", "name=t", "--session", "next").stdout == "0.75\n"


def test_every_method(pit: Pit) -> None:
    told = pit.json("exec", "all", "--session", "all")
    assert told.pop("id").startswith("var_t_")
    assert told == {
        "stale": True, "past": [0.5, 0.75, 1.0], "programs": [{"steps": [1]}, 7, 1], "t": 0.5, "type": "float",
        "listed": ["t", "n", "l"], "n?": [], "in": [True, False], "many": {"t": 0.5, "n": 3, "l": [1, "a"]},
        "results": {"t": True, "n": "refused", "nosuch": "refused"},
    }  # fmt: skip


def test_every_method_awaited(pit: Pit) -> None:
    assert pit.json("exec", "awaits", "--session", "awaits") == {
        "version": 1, "plainly": 1.75, "gathered": [0.75, "flag"], "missing": "missing",
        "t": 0.25, "flag": True, "n": 4,
    }  # fmt: skip


def test_numbers_that_json_cannot_hold(pit: Pit) -> None:
    assert pit.json("exec", "special", "--session", "special") == ["-inf", "nan", "float"]


def test_errors_are_told_by_their_class(pit: Pit) -> None:
    pit.run(
        "exec", "register", "name=t", "kind=float", "value:=0.5", 'constraints:={"max":1.0}', "--session", "errors"
    )  # fmt: skip
    kind, name, text = pit.json("exec", "fails", "name=t", "value:=1.5", "--session", "errors")
    assert (kind, name) == ("InvalidValueError", "invalid_value")
    assert "value 1.5 is above maximum 1.0" in text
    assert pit.json("exec", "fails", "name=u", "value:=1", "--session", "errors")[0] == "VariableNotFoundError"
    assert pit.json("exec", "fails", "name=u", "value:=1", "--session", "nothing-yet")[0] == "VariableNotFoundError"
    assert pit.json("exec", "fails", "name=u", "value:=1")[0] == "NoSessionError"
    uncaught = pit.json("exec", "get", "name=u", "--session", "errors", "--json", check=False)["error"]
    assert (uncaught["kind"], uncaught["type"]) == ("command_failed", "VariableNotFoundError")


def test_sessions_do_not_see_each_other(pit: Pit) -> None:
    pit.run("exec", "set", "name=mine", "value:=1", "--session", "one")
    told = pit.json("exec", "get", "name=mine", "--session", "two", "--json", check=False)["error"]
    assert told["type"] == "VariableNotFoundError"


def test_the_context_says_what_the_caller_has_said(pit: Pit) -> None:
    assert pit.json("exec", "about", "--session", "s", "--meta", "user=ann") == ["s", True, {"user": "ann"}]
    assert pit.json("exec", "about") == ["", False, {}]
    assert pit.json("exec", "who", "--pool", "announced", "--session", "s") == "s"
    assert pit.json("exec", "who", "--pool", "announced") == ""


def test_in_bulk_each_item_has_the_session(pit: Pit) -> None:
    pit.run("exec", "register", "name=counter", "kind=integer", "value:=0", "--session", "bulk")
    lines = "".join("{}\n" for _ in range(200))
    done = pit.run("map", "count", "--session", "bulk", input=lines)
    assert sorted(map(int, done.stdout.split())) == list(range(1, 201))
    assert pit.run("exec", "get", "name=counter", "--session", "bulk").stdout == "200\n"


def test_reading_after_anothers_write_never_gives_the_old_value(pit: Pit) -> None:
    """Each write goes to a worker of another pool, while both workers of this one keep what they have read."""
    for number in range(30):
        pit.run("exec", "set", "--pool", "announced", "name=t", f"value:={number}", "--session", "fresh")
        found = pit.run("map", "get", "--arg", "name", "--session", "fresh", input='"t"\n' * 8).stdout
        assert set(found.split()) == {str(number)}


def begun(pit: Pit, session: str) -> bool:
    with pit.connection() as connection:
        return any(one["name"] == "begun" for one in Session(connection, session).list())


@pytest.mark.parametrize("command", ["until", "auntil"])
def test_a_handler_that_reads_without_a_pause_sees_each_write(pit: Pit, command: str) -> None:
    run = ("--pool", "announced", "--session", command)
    pit.run("exec", "set", "name=t", "value:=0", *run)
    with pit.start("exec", command, "name=t", "value:=5", "--session", command) as reading:
        wait.until(lambda: begun(pit, command), "the reader to have read")
        for value in range(1, 6):
            pit.run("exec", "set", "name=t", f"value:={value}", *run)
        out, _ = reading.communicate(timeout=60)
    seen = json.loads(out)
    assert (seen[0], seen[-1]) == (0, 5)
    assert seen == sorted(seen), "never back"


def test_a_handler_watches_what_others_write(pit: Pit) -> None:
    pit.run("exec", "set", "name=b", "value:=0", "--session", "watched")
    with pit.start("stream", "watch", "pattern=a*", "most:=2", "--session", "watched") as watch:
        assert watch.stdout is not None
        pit.until_pool("the watcher to run", running=1)
        # The watcher may not have begun yet: what it sees first is any of these.
        numbers = iter(range(1000))

        def write() -> bool:
            pit.run("exec", "set", "name=abc", f"value:={next(numbers)}", "--session", "watched")
            pit.run("exec", "set", "name=b", "value:=1", "--session", "watched")
            return watch.poll() is not None

        wait.until(write, "the watcher to see two changes")
        changes = [json.loads(line) for line in watch.stdout]
        assert watch.wait(20) == 0
    assert [change[0] for change in changes] == ["abc", "abc"]
    assert changes[1][2] == changes[0][2] + 1


def test_a_watch_ends_with_the_session_and_the_adapter_is_told(pit: Pit) -> None:
    pit.run("exec", "set", "name=a", "value:=1", "--session", "ends")
    watch = pit.start("stream", "awatch", "--session", "ends")
    assert watch.stdout is not None
    with pit.connection() as connection:

        def seen() -> bool:
            Session(connection, "ends").set("a", 2)
            return bool(select.select([watch.stdout], [], [], 0.05)[0])

        wait.until(seen, "the watcher to see a change")  # it may not have begun when its call runs
        assert Sessions(connection).rm("ends")["removed"]
    code, _, err = finish(watch)
    assert (code, err) == (0, "")

    def told() -> bool:
        found = pit.run("map", "ended", input="{}\n" * 8).stdout
        return '"ends"' in found

    wait.until(told, "an adapter to be told")


def test_giving_up_a_watch_frees_the_worker(pit: Pit) -> None:
    pit.run("exec", "set", "name=a", "value:=1", "--session", "left")
    done = pit.run("stream", "awatch", "--session", "left", "--timeout", "300ms", check=False)
    assert done.returncode == 124
    pit.until_pool("the worker to be free", busy=0)
