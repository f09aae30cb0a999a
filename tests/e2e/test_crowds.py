"""More calls than workers: which wait, which are refused, and what the figures say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import finish
from tests.harness.pit import Pit

CONFIG = """
[pools.default]
size = 1
[pools.default.limits]
queue_size = 2
queue_timeout = 60

[pools.hasty]
size = 1
[pools.hasty.limits]
queue_timeout = 0.3
"""


@pytest.fixture
def narrow() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        one.run("up")
        yield one


def test_a_full_queue_refuses(narrow: Pit) -> None:
    running = narrow.start("exec", "sleep", "seconds:=600", "--timeout", "600")
    narrow.until_pool("the worker to be busy", running=1)
    waiting = [narrow.start("exec", "echo", f"n:={n}", "--timeout", "60") for n in range(2)]
    narrow.until_pool("the queue to be full", queued=2)
    done = narrow.run("exec", "ping", check=False)
    assert (done.returncode, done.stdout) == (75, "")
    assert "the queue is full: 2 calls wait already, 1 of 1 workers busy" in done.stderr
    assert "--size" in done.stderr
    error = narrow.json("exec", "ping", check=False)["error"]
    assert (error["kind"], error["retryable"]) == ("pool_saturated", True)
    assert narrow.pool()["pool_saturated"] == 2
    running.kill()
    finish(running)
    assert [finish(one)[:2] for one in waiting] == [(0, '{"n":0}\n'), (0, '{"n":1}\n')]
    assert narrow.run("exec", "ping").returncode == 0


def test_nobody_waits_for_ever_in_the_queue(narrow: Pit) -> None:
    running = narrow.start("exec", "sleep", "seconds:=600", "--pool", "hasty", "--timeout", "600")
    narrow.until_pool("the worker to be busy", "hasty", running=1)
    done = narrow.run("exec", "ping", "--pool", "hasty", check=False)
    assert (done.returncode, done.stdout) == (124, "")
    assert re.search(r"waited \d+\.\d s; 1 of 1 workers busy", done.stderr)
    assert narrow.json("exec", "ping", "--pool", "hasty", check=False)["error"]["kind"] == "queue_timeout"
    assert narrow.pool("hasty")["queue_timeouts"] == 2
    running.kill()
    running.communicate()
    narrow.until_pool("the worker to be free again", "hasty", running=0, busy=0)
    assert narrow.run("exec", "ping", "--pool", "hasty").returncode == 0


def test_a_deadline_that_passes_in_the_queue(narrow: Pit) -> None:
    running = narrow.start("exec", "sleep", "seconds:=600", "--timeout", "600")
    narrow.until_pool("the worker to be busy", running=1)
    error = narrow.json("exec", "ping", "--timeout", "0.3", check=False)["error"]
    assert (error["kind"], error["exit"]) == ("queue_timeout", 124)
    running.kill()
    running.communicate()


def test_questions_are_answered_while_everybody_is_busy(narrow: Pit) -> None:
    calls = [narrow.start("exec", "sleep", "seconds:=600", "--timeout", "600") for _ in range(3)]
    narrow.until_pool("one to run and two to wait", running=1, queued=2)
    assert narrow.workers()[0]["state"] == "busy"
    assert "ping" in narrow.run("commands").stdout
    for call in calls:
        call.kill()
        call.communicate()
    narrow.until_pool("all calls to be given up", running=0, queued=0, busy=0)


def test_a_hundred_calls_on_two_workers(warm: Pit) -> None:
    calls = [warm.start("exec", "echo", f"n:={n}") for n in range(100)]
    answers = [finish(call) for call in calls]
    assert [code for code, _, _ in answers] == [0] * 100
    assert [json.loads(out)["n"] for _, out, _ in answers] == list(range(100))
    assert warm.pool()["errors"] == 0
