"""Every pair of state and event is decided on purpose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from snakepit_cli.core import table, worker
from snakepit_cli.core.events import (
    Attached,
    Event,
    Exited,
    Failure,
    Finished,
    Resize,
    Submit,
)
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pool import ABOUT_WORKERS, Pool, find_move
from snakepit_cli.core.story import InvalidTransition

PHASES = set(get_args(table.Phase))
WORKERS = {worker.Gone, *get_args(worker.Worker)}


def test_the_table_is_the_full_product_of_states_and_events():
    pool_events = set(get_args(Event)) - ABOUT_WORKERS
    product = {(s, e) for s in PHASES for e in pool_events} | {(s, e) for s in WORKERS for e in ABOUT_WORKERS}

    assert table.TABLE.keys() == product


def test_no_pair_is_written_twice():
    source = Path(table.__file__).read_text()
    pairs = re.findall(r"^    \((\w+, \w+)\):", source, re.MULTILINE)

    assert sorted(pairs) == sorted(set(pairs))
    assert len(pairs) == len(table.TABLE)


@pytest.mark.parametrize("action", sorted(set(table.TABLE.values()) - {table.IGNORE, table.BUG}))
def test_every_move_is_a_function(action: str):
    assert callable(find_move(action))


def test_every_event_about_a_worker_names_one():
    assert {e for e in get_args(Event) if "worker" in e.__dataclass_fields__} == ABOUT_WORKERS


def test_a_bug_of_the_shell_raises_with_the_story_and_changes_nothing():
    pool = Pool("py", 1, Limits())
    pool.handle(Resize(1), 1.0)
    pool.handle(Submit(7, "ping"), 2.0)
    before = pool.snapshot()
    event = Finished("py-1", 7, "reply", failed=False)

    with pytest.raises(InvalidTransition) as caught:
        pool.handle(event, 3.0)

    assert caught.value.event is event
    assert caught.value.state == worker.Starting(since=1.0, deadline=11.0)
    assert caught.value.story == (
        "1.000 Resize(size=1) -> Spawn(workers=('py-1',))",
        f"2.000 {Submit(7, 'ping')} -> nothing",
    )
    assert "pool 'py': Finished(worker='py-1', call=7, failed=False) cannot come in Starting(" in str(caught.value)
    assert "2.000 Submit(call=7" in str(caught.value)
    assert pool.snapshot() == before
    pool.check()


def test_the_story_is_bounded_and_never_shows_or_holds_a_reply():
    class Reply:
        def __repr__(self) -> str:
            raise AssertionError("a reply in the story")

    pool = Pool("py", 1, Limits())
    pool.handle(Resize(1), 0.0)
    pool.handle(Attached("py-1"), 0.0)
    for call in range(200):
        pool.handle(Submit(call, "ping"), 1.0)
        pool.handle(Finished("py-1", call, Reply()), 1.0)
    pool.handle(Exited("py-1", Failure("worker_crashed", "gone")), 2.0)  # py-2 starts

    with pytest.raises(InvalidTransition) as caught:
        pool.handle(Finished("py-2", 1, Reply()), 3.0)

    assert len(caught.value.story) == 50
    assert "1.000 Finished(worker='py-1', call=199, failed=False) -> nothing" in caught.value.story
