"""What becomes of a worker: spawn, attach, fail, crash, resize, drain."""

from __future__ import annotations

import random

import pytest

from snakepit_cli.core.effects import Dispatch, Drained, Effect, Interrupt, Kill, Settle, Spawn, Stop
from snakepit_cli.core.events import (
    Adopt,
    Attached,
    Cancel,
    Drain,
    Exited,
    Finished,
    Resize,
    StartFailed,
    Submit,
    Tick,
    Unresponsive,
)
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pool import Pool
from tests.unit.core.words import BROKEN, CRASH, kinds, serving


def starting(size: int = 1, **limits: float) -> Pool:
    pool = Pool("p", size, Limits(**limits))  # type: ignore[arg-type]
    pool.handle(Resize(size), 0.0)
    return pool


# -- start --


def test_a_new_pool_does_nothing_until_it_is_told_its_size():
    pool = Pool("p", 4, Limits(), first_worker=7)

    assert pool.next_deadline() is None
    assert pool.handle(Tick(), 0.0) == []
    assert pool.handle(Submit(1, "ping"), 0.0) == []
    assert pool.snapshot().state == "unstarted"
    assert pool.handle(Resize(4), 1.0) == [Spawn(("p-7", "p-8", "p-9", "p-10"))]
    assert pool.handle(Attached("p-9"), 1.0) == [Dispatch("p-9", 1, 29.0)]


def test_workers_of_an_earlier_server_count_and_are_waited_for():
    pool = Pool("p", 3, Limits(), first_worker=9)

    assert pool.handle(Adopt(("p-4", "p-8")), 0.0) == []
    assert pool.handle(Resize(3), 0.0) == [Spawn(("p-9",))]
    assert pool.handle(Attached("p-8", sessions=("s",)), 0.1) == []
    assert pool.handle(Attached("p-9"), 0.1) == []
    assert pool.handle(Submit(1, "ping", session="s"), 0.2) == [Dispatch("p-8", 1, 30.0)]
    assert pool.handle(Tick(), 10.0) == [Kill("p-4")], "it never dialled home"
    assert pool.handle(Exited("p-4", CRASH), 10.1) == [Spawn(("p-10",))]


def test_one_failed_start_is_tried_again():
    pool = starting()

    assert pool.handle(StartFailed("p-1", BROKEN), 0.1) == [Spawn(("p-2",))]
    assert pool.handle(Exited("p-2", CRASH), 0.2) == [Spawn(("p-3",))]
    assert pool.handle(Exited("p-2", CRASH), 0.2) == []
    assert pool.handle(Attached("p-3"), 0.3) == []


def test_a_start_that_takes_too_long_is_killed_and_replaced_when_it_is_gone():
    pool = starting()

    assert pool.next_deadline() == 10.0
    assert pool.handle(Tick(), 10.0) == [Kill("p-1")]
    assert pool.handle(Attached("p-1"), 10.0) == []
    assert pool.handle(Exited("p-1", CRASH), 10.1) == [Spawn(("p-2",))]


def test_many_failed_starts_in_a_row_end_with_the_reason_for_everyone_who_waits():
    pool = starting(4)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)
    for n in range(1, 5):
        pool.handle(StartFailed(f"p-{n}", CRASH), 0.1)

    assert pool.handle(StartFailed("p-5", BROKEN), 0.2) == [Settle(1, BROKEN), Settle(2, BROKEN)]
    assert pool.snapshot().state == "failed"
    assert pool.snapshot().reason == BROKEN
    assert pool.handle(Submit(3, "ping"), 0.3) == [Settle(3, BROKEN)]


def test_one_worker_that_attaches_ends_the_row():
    pool = starting(2, restart_burst=100)
    for n in (1, 3, 4, 5):
        pool.handle(StartFailed(f"p-{n}", CRASH), 0.0)
    pool.handle(Attached("p-2"), 0.0)
    for n in (6, 7, 8, 9):
        pool.handle(StartFailed(f"p-{n}", CRASH), 0.0)

    assert pool.snapshot().state == "open"


def test_a_permanent_failure_ends_all_starts_at_once():
    pool = starting(3)
    pool.handle(Submit(1, "ping"), 0.0)

    effects = pool.handle(StartFailed("p-1", BROKEN, permanent=True), 0.5)

    assert effects == [Kill("p-3"), Kill("p-2"), Settle(1, BROKEN)]
    assert pool.next_deadline() == 5.5, "it asks again when it does not hear of their deaths"
    assert pool.handle(Exited("p-2", CRASH), 0.6) == []
    assert pool.handle(Exited("p-3", CRASH), 0.6) == []
    assert pool.next_deadline() is None


def test_after_a_pause_that_grows_a_call_makes_a_failed_pool_try_again():
    pool = starting()
    now, worker = 0.0, 1
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        pool.handle(StartFailed(f"p-{worker}", BROKEN, permanent=True), now)
        assert pool.handle(Submit(100 + worker, "ping"), now + pause - 0.5) == [Settle(100 + worker, BROKEN)]
        now, worker = now + pause, worker + 1
        assert pool.handle(Submit(worker, "ping"), now) == [Spawn((f"p-{worker}",))]

    assert pool.handle(Attached(f"p-{worker}"), now) == [Dispatch(f"p-{worker}", worker, 30.0)]
    assert pool.snapshot().state == "open"


def test_resize_makes_a_failed_pool_try_again_at_once():
    pool = starting()
    pool.handle(StartFailed("p-1", BROKEN, permanent=True), 0.0)

    assert pool.handle(Resize(2), 0.1) == [Spawn(("p-2", "p-3"))]
    assert pool.snapshot().reason is None


def test_a_pool_that_still_has_a_worker_serves_on_and_tries_again_by_itself():
    pool = serving(2)
    pool.handle(Exited("p-2", CRASH), 10.0)
    pool.handle(Submit(1, "ping"), 10.0)
    pool.handle(Submit(2, "ping"), 10.0)

    assert pool.handle(StartFailed("p-3", BROKEN, permanent=True), 10.0) == []
    assert pool.snapshot().state == "degraded"
    assert pool.handle(Finished("p-1", 1, "a"), 10.5) == [Settle(1, "a"), Dispatch("p-1", 2, 29.5)]
    assert pool.next_deadline() == 11.0
    assert pool.handle(Tick(), 11.0) == [Spawn(("p-4",))]
    assert pool.snapshot().state == "open"


def test_a_failed_pool_that_loses_its_last_worker_lets_nobody_wait():
    pool = serving(2)
    pool.handle(Exited("p-2", CRASH), 0.0)
    pool.handle(StartFailed("p-3", BROKEN, permanent=True), 0.0)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)

    assert pool.handle(Exited("p-1", CRASH), 0.5) == [Settle(1, CRASH), Settle(2, BROKEN)]


def test_a_straggler_that_attaches_revives_a_failed_pool():
    pool = starting(7, restart_burst=0)
    for n in range(1, 6):
        pool.handle(StartFailed(f"p-{n}", CRASH), 0.0)
    assert pool.snapshot().state == "failed"

    assert pool.handle(Attached("p-6"), 0.5) == [Spawn(("p-8", "p-9", "p-10", "p-11", "p-12"))]
    assert pool.snapshot().state == "open"


# -- crash --


def test_a_crash_settles_the_calls_of_that_worker_only_and_replaces_it():
    pool = serving(2, capacity=2)
    for call in (1, 2, 3, 4):
        pool.handle(Submit(call, "ping"), 0.0)  # 1 and 3 on p-2, 2 and 4 on p-1
    pool.handle(Cancel(3), 0.0)

    assert pool.handle(Exited("p-2", CRASH), 1.0) == [Settle(1, CRASH), Spawn(("p-3",))]
    assert pool.handle(Finished("p-1", 2, "b"), 1.0) == [Settle(2, "b")]
    assert pool.snapshot().restarts == 1


def test_a_crash_settles_every_call_of_the_worker():
    pool = serving(capacity=3)
    for call in (1, 2, 3):
        pool.handle(Submit(call, "ping"), 0.0)

    assert pool.handle(Exited("p-1", CRASH), 1.0)[:3] == [Settle(1, CRASH), Settle(2, CRASH), Settle(3, CRASH)]


def test_a_few_restarts_are_immediate_then_come_rounds_with_growing_pauses():
    pool = Pool("p", 8, Limits(), rng=random.Random(1))
    pool.handle(Resize(8), 0.0)
    for n in range(1, 9):
        pool.handle(Attached(f"p-{n}"), 0.0)

    assert [pool.handle(Exited(f"p-{n}", CRASH), 10.0) for n in (1, 2, 3)] == [
        [Spawn(("p-9",))],
        [Spawn(("p-10",))],
        [Spawn(("p-11",))],
    ]
    assert [pool.handle(Exited(f"p-{n}", CRASH), 10.0) for n in (4, 5)] == [[], []]
    first = pool.next_deadline()
    assert 10.25 <= first <= 10.5
    assert pool.handle(Tick(), first) == [Spawn(("p-12", "p-13"))]

    assert pool.handle(Exited("p-6", CRASH), 11.0) == []
    assert 11.5 <= pool.next_deadline() <= 12.0


def test_a_quiet_time_restores_the_budget():
    pool = serving(5)
    for n in (1, 2, 3, 4):
        pool.handle(Exited(f"p-{n}", CRASH), 0.0)
    pool.handle(Tick(), 0.5)
    for n in (6, 7, 8, 9):
        pool.handle(Attached(f"p-{n}"), 0.5)

    assert pool.handle(Exited("p-5", CRASH), 6.0) == [Spawn(("p-10",))]


def test_a_worker_that_dies_at_once_every_time_is_not_restarted_in_a_storm():
    pool = serving(restart_window=5.0)
    now, spawned, worker = 0.0, 0, 1
    while now < 300.0:
        effects = pool.handle(Exited(f"p-{worker}", CRASH), now)
        while not effects:
            now = pool.next_deadline()
            effects = pool.handle(Tick(), now)
        worker, spawned = worker + 1, spawned + 1
        pool.handle(Attached(f"p-{worker}"), now)
        now += 0.01

    assert spawned < 30


# -- resize --


def test_growing_is_one_spawn():
    pool = serving(1)

    assert pool.handle(Resize(4), 1.0) == [Spawn(("p-2", "p-3", "p-4"))]
    assert pool.handle(Resize(4), 1.0) == []


def test_shrinking_stops_what_starts_then_what_is_idle_newest_first():
    pool = serving(3)
    pool.handle(Submit(1, "ping"), 0.0)  # on p-3
    pool.handle(Resize(4), 0.0)

    assert pool.handle(Resize(1), 1.0) == [Stop("p-4", 5.0), Stop("p-2", 5.0), Stop("p-1", 5.0)]
    assert pool.handle(Attached("p-4"), 1.0) == []
    assert pool.handle(Exited("p-2", CRASH), 1.0) == []
    assert pool.snapshot().restarts == 0


def test_shrinking_lets_busy_workers_finish_and_gives_them_nothing_new():
    pool = serving(2, capacity=2)
    for call in (1, 2, 3):
        pool.handle(Submit(call, "ping"), 0.0)  # p-2, p-1, p-2

    assert pool.handle(Resize(1), 0.0) == []  # p-2 drains
    assert pool.handle(Submit(4, "ping"), 0.0) == [Dispatch("p-1", 4, 30.0)]
    assert pool.handle(Submit(5, "ping"), 0.0) == []
    assert pool.handle(Finished("p-2", 1, "a"), 1.0) == [Settle(1, "a")]
    assert pool.handle(Finished("p-2", 3, "c"), 1.0) == [Settle(3, "c"), Stop("p-2", 5.0)]


def test_a_draining_worker_whose_last_call_is_cancelled_stops():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Resize(0), 0.0)

    effects = pool.handle(Cancel(1), 1.0)

    assert effects[1:] == [Interrupt("p-1", 1), Stop("p-1", 5.0)]


def test_a_draining_worker_that_does_not_let_go_is_killed():
    pool = serving(capacity=2)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)
    pool.handle(Resize(0), 0.0)
    pool.handle(Cancel(1), 1.0)

    assert pool.next_deadline() == 3.0
    assert pool.handle(Tick(), 3.0) == [Kill("p-1")]
    assert pool.handle(Exited("p-1", CRASH), 3.0) == [Settle(2, CRASH)]


def test_a_worker_that_ignores_stop_is_killed():
    pool = serving(2)
    pool.handle(Resize(1), 0.0)

    assert pool.next_deadline() == 6.0
    assert pool.handle(Tick(), 6.0) == [Kill("p-2")]
    assert pool.handle(Exited("p-2", CRASH), 6.1) == []
    assert pool.next_deadline() is None
    assert pool.handle(Tick(), 99.0) == []


# -- drain --


def test_drain_settles_who_waits_stops_who_is_idle_and_lets_the_rest_finish():
    pool = serving(2)
    pool.handle(Submit(1, "ping"), 0.0)
    assert pool.handle(Resize(3), 0.0) == [Spawn(("p-3",))]

    assert pool.handle(Drain(20.0), 1.0) == [Stop("p-1", 5.0), Stop("p-3", 5.0)]
    [settle] = pool.handle(Submit(2, "ping"), 1.0)
    assert (settle.outcome.kind, settle.outcome.message) == ("pool_unavailable", "pool 'p' is being stopped")
    assert pool.handle(Attached("p-3"), 1.0) == []
    assert pool.handle(Resize(9), 1.0) == []
    assert pool.handle(Finished("p-2", 1, "a"), 2.0) == [Settle(1, "a"), Stop("p-2", 5.0)]
    assert pool.handle(Exited("p-1", CRASH), 3.0) == []
    assert pool.handle(StartFailed("p-3", CRASH), 3.0) == []
    assert pool.handle(Exited("p-2", CRASH), 3.0) == [Drained()]
    assert pool.handle(Drain(1.0), 3.0) == []
    [settle] = pool.handle(Submit(3, "ping"), 4.0)
    assert (settle.outcome.kind, settle.outcome.message) == ("pool_unavailable", "pool 'p' has been stopped")
    assert pool.snapshot().state == "drained"


def test_drain_settles_waiting_calls():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)

    assert kinds(pool.handle(Drain(20.0), 1.0)) == [(2, "pool_unavailable")]


def test_a_drain_ends_after_its_grace():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Drain(2.0), 1.0)

    assert pool.next_deadline() == 3.0
    effects = pool.handle(Tick(), 3.0)

    assert kinds(effects) == [(1, "pool_unavailable")]
    assert effects[1:] == [Stop("p-1", 5.0)]
    assert pool.handle(Finished("p-1", 1, "late"), 3.1) == []
    assert pool.handle(Tick(), 9.0) == [Kill("p-1")]
    assert pool.handle(Exited("p-1", CRASH), 9.1) == [Drained()]


def test_a_drain_ends_after_its_grace_also_where_an_abandoned_call_was_given_up_meanwhile():
    pool = serving(capacity=2)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)
    pool.handle(Cancel(1), 0.0)
    pool.handle(Drain(4.0), 0.0)
    pool.handle(Finished("p-1", 1, "late"), 1.0)

    assert pool.next_deadline() == 4.0
    assert kinds(pool.handle(Tick(), 4.0)) == [(2, "pool_unavailable")]


@pytest.mark.parametrize(("second", "deadline"), [(0.5, 2.5), (50.0, 11.0)])
def test_a_second_drain_can_only_hurry(second: float, deadline: float):
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Drain(10.0), 1.0)

    assert pool.handle(Drain(second), 2.0) == []
    assert pool.next_deadline() == deadline


def test_an_empty_pool_is_drained_at_once():
    assert Pool("p", 4, Limits()).handle(Drain(5.0), 0.0) == [Drained()]


# -- looks --


def test_a_snapshot_tells_what_there_is():
    pool = serving(2)
    pool.handle(Resize(3), 0.0)
    for call in (1, 2, 3):
        pool.handle(Submit(call, "ping"), 0.0)
    pool.handle(Finished("p-2", 1, "a"), 0.0)

    seen = pool.snapshot()

    assert seen.workers == (("p-1", "busy", 1), ("p-2", "busy", 1), ("p-3", "starting", 0))
    assert (seen.state, seen.size, seen.starting, seen.ready, seen.busy) == ("open", 3, 1, 2, 2)
    assert (seen.queued, seen.running, seen.requests) == (0, 2, 3)
    assert repr(pool) == "<Pool p open: 2/3 workers, 2 running, 0 waiting>"


def test_a_silent_worker_loses_its_calls_and_is_replaced_when_it_is_gone():
    pool = serving()
    pool.handle(Submit(1, "ping"), 1.0)
    silent = Unresponsive("p-1", CRASH)

    assert pool.handle(silent, 2.0) == [Settle(1, CRASH), Kill("p-1")]
    assert pool.handle(silent, 2.0) == []
    assert pool.handle(Finished("p-1", 1, "late"), 2.1) == []
    assert pool.handle(Exited("p-1", CRASH), 2.2) == [Spawn(("p-2",))]
    assert pool.snapshot().restarts == 1


def test_workers_that_only_need_longer_are_given_longer():
    """Twice the time in each round; after two the reason is told, and the next call makes it try again."""
    pool = Pool("p", 2, Limits(startup_timeout=10.0, restart_burst=100))
    first = spawned(pool.handle(Resize(2), 0.0))
    pool.handle(Submit(1, "ping", timeout=100.0), 0.0)
    pool.handle(Tick(), 10.0)
    assert pool.snapshot().state == "open"
    second = [name for worker in first for name in spawned(pool.handle(Exited(worker, CRASH), 10.0))]
    assert len(second) == 2
    pool.handle(Tick(), 29.9)
    assert pool.snapshot().starting == 2, "20 s this time"

    [settle] = [e for e in pool.handle(Tick(), 30.0) if isinstance(e, Settle)]

    assert settle.outcome.kind == "startup_timeout"
    assert "`startup_timeout` (10 s," in dict(settle.outcome.detail)["hint"]
    assert pool.snapshot().state == "failed"
    for worker in second:
        pool.handle(Exited(worker, CRASH), 31.0)
    third = spawned(pool.handle(Submit(2, "ping", timeout=100.0), 50.0))
    pool.handle(Tick(), 89.0)
    assert pool.snapshot().starting == 2, "40 s this time"
    assert Dispatch(third[0], 2, 11.0) in pool.handle(Attached(third[0]), 139.0)


def spawned(effects: list[Effect]) -> list[str]:
    return [worker for effect in effects if isinstance(effect, Spawn) for worker in effect.workers]


def _starting_too_long(pool: Pool) -> None:
    pool.handle(Tick(), 10.0)


def _stopping_too_long(pool: Pool) -> None:
    pool.handle(Attached("p-1"), 0.0)
    pool.handle(Drain(0.0), 0.0)
    pool.handle(Tick(), pool.next_deadline() or 0.0)


def _unresponsive(pool: Pool) -> None:
    pool.handle(Attached("p-1"), 0.0)
    pool.handle(Unresponsive("p-1", CRASH), 5.0)


@pytest.mark.parametrize("dying", [_starting_too_long, _stopping_too_long, _unresponsive])
def test_one_whose_death_is_not_heard_of_is_killed_again_and_again(dying):
    pool = starting()
    dying(pool)
    for _ in range(3):
        at = pool.next_deadline()
        assert at is not None, "every state has a deadline"
        assert pool.handle(Tick(), at - 0.01) == []
        assert pool.handle(Tick(), at) == [Kill("p-1")]
    pool.handle(Exited("p-1", CRASH), 100.0)
    assert "p-1" not in {worker for worker, _, _ in pool.snapshot().workers}


def test_what_dies_keeps_its_calls_until_it_is_gone():
    pool = serving(1)
    pool.handle(Submit(1, "ping", timeout=1.0), 0.0)
    kills = [effect for at in range(1, 60) for effect in pool.handle(Tick(), float(at)) if isinstance(effect, Kill)]
    assert len(kills) > 1
    assert pool.handle(Exited("p-1", CRASH), 60.0)[0] == Spawn(("p-2",))
