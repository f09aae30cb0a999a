"""Handlers that call commands of other pools through the server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import PUPPETS, finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import Pit

PUPPET = PUPPETS / "asker.py"
CONFIG = f"""
[pools.default]
adapter = "{PUPPET}:Asker"
size = 1
[pools.other]
adapter = "{PUPPET}:Other"
size = 2
[limits]
queue_timeout = 0.3
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        one.run("up")
        one.run("up", "other")
        yield one


def test_a_handler_gets_the_answer_of_another_pool(pit: Pit) -> None:
    assert [pit.run("exec", "twice", f"number:={n}").stdout for n in (1, 21)] == ["2\n", "42\n"]


def test_an_async_handler_asks_for_many_at_once(pit: Pit) -> None:
    assert pit.json("exec", "gathered", "numbers:=[1,2,3,4,5,6,7]") == [2, 4, 6, 8, 10, 12, 14]


def test_in_bulk_too(pit: Pit) -> None:
    done = pit.run("map", "twice", "--arg", "number", input="1\n2\n3\n")
    assert done.stdout == "2\n4\n6\n"


def test_what_fails_is_told_with_the_others_words(pit: Pit) -> None:
    assert pit.json("exec", "told", "command=break") == [
        "command_failed",
        "LookupError",
        "nothing there",
        True,
    ]
    assert pit.json("exec", "told", "command=nosuch")[0] == "command_not_found"
    assert pit.json("exec", "told", "command=x", "pool=nosuch")[0] == "pool_not_found"


def test_a_pool_that_waits_for_itself_is_told(pit: Pit) -> None:
    assert pit.json("exec", "within")[0] == "call_loop"


def test_the_time_that_is_left_shrinks_on_the_way(pit: Pit) -> None:
    assert 0 < float(pit.run("exec", "left", "--timeout", "5").stdout) < 5
    late = pit.json("exec", "naps", "seconds:=30", "--timeout", "300ms", "--json", check=False)["error"]
    assert late["kind"] in {"worker_timeout", "command_failed"}
    pit.until_pool("the inner call to end", name="other", busy=0)


def test_giving_up_the_outer_call_gives_up_the_inner_one(pit: Pit) -> None:
    run = foreground(pit, "exec", "naps", "seconds:=60")
    pit.until_pool("the inner call to run", name="other", running=1)
    run.send_signal(2)
    assert finish(run)[0] == 130
    pit.until_pool("the inner call to end", name="other", busy=0)
    pit.until_pool("the outer worker to be free", busy=0)


def test_a_worker_that_dies_leaves_no_inner_call_behind(pit: Pit) -> None:
    with pit.start("exec", "naps", "seconds:=60") as run:
        pit.until_pool("the inner call to run", name="other", running=1)
        [worker] = [one for one in pit.workers() if one["pool"] == "default"]
        procs.kill(worker["pid"])
        assert run.wait(20) == 71
    pit.until_pool("the inner call to end", name="other", busy=0)
    wait.until(lambda: pit.run("exec", "twice", "number:=3", check=False).stdout == "6\n", "a new worker")


def test_a_model_is_trained_by_several_workers_and_then_used() -> None:
    with Pit("[pools.default]\nsize = 3\n") as pit:
        pit.run("up")
        out = pit.run("stream", "distributed_training", "epochs:=2", "shards:=3", "model_path=m.json", "--progress")
        rows = [json.loads(line) for line in out.stdout.splitlines()]
        assert [row["epoch"] for row in rows] == [1, 2]
        assert rows[-1]["final_model_path"] == str(pit.work / "m.json")
        assert all(worker["requests"] for worker in pit.workers()), "every worker has had its share"
        last = pit.run("stream", "batch_inference", "model_path=m.json").stdout.splitlines()[-1]
        assert json.loads(last)["accuracy"] > 0.8
