"""What becomes of a call: submit, dispatch, settle, cancel."""

from __future__ import annotations

from snakepit_cli.core.effects import Dispatch, Interrupt, Kill, Settle, Spawn
from snakepit_cli.core.events import Admit, Attached, Cancel, Exited, Failure, Finished, Gate, Resize, Submit, Tick
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pool import Pool
from tests.unit.core.words import CRASH, kinds, serving

CANCELLED = Failure("cancelled", "the call was cancelled")


def test_a_call_goes_to_a_free_worker_at_once_and_its_reply_comes_back_untouched():
    pool = serving()
    reply = object()

    assert pool.handle(Submit(1, "ping"), 1.0) == [Dispatch("p-1", 1, 30.0)]
    settle = pool.handle(Finished("p-1", 1, reply), 2.0)

    assert settle == [Settle(1, reply)]
    assert settle[0].outcome is reply


def test_calls_wait_in_order_and_a_finished_one_makes_room_for_the_next():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)

    assert pool.handle(Submit(2, "ping"), 1.0) == []
    assert pool.handle(Submit(3, "ping"), 2.0) == []
    assert pool.handle(Finished("p-1", 1, "a"), 3.0) == [Settle(1, "a"), Dispatch("p-1", 2, 28.0)]
    assert pool.handle(Finished("p-1", 2, "b"), 4.0) == [Settle(2, "b"), Dispatch("p-1", 3, 28.0)]


def test_the_time_allowed_shrinks_while_a_call_waits():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping", timeout=8.0), 0.0)
    pool.handle(Submit(3, "ping", stream=True), 0.0)

    assert pool.handle(Finished("p-1", 1, "a"), 3.0)[1] == Dispatch("p-1", 2, 5.0)
    assert pool.handle(Finished("p-1", 2, "b"), 4.0)[1] == Dispatch("p-1", 3, 296.0)


def test_a_full_queue_refuses():
    pool = serving(queue_size=1)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)

    [settle] = pool.handle(Submit(3, "ping"), 0.0)

    assert settle.outcome.kind == "pool_saturated"
    assert settle.outcome.message == "the queue is full: 1 call waits already, 1 of 1 workers busy"
    assert pool.snapshot().pool_saturated == 1


def test_a_call_that_runs_again_has_all_of_its_patience_again():
    pool = serving(2, queue_timeout=5.0, request_timeout=100.0)
    pool.handle(Submit(1, "ping", idempotent=True), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)
    pool.handle(Submit(3, "ping"), 9.0)

    assert kinds(pool.handle(Exited("p-2", CRASH), 10.0)) == []
    assert kinds(pool.handle(Tick(), 14.5)) == [(3, "queue_timeout")], "it does not hide behind the one before it"
    assert kinds(pool.handle(Tick(), 15.0)) == [(1, "queue_timeout")]


def test_a_paused_pool_is_named_when_time_is_over():
    pool = serving()
    pool.handle(Admit(Gate.PAUSED), 0.0)
    pool.handle(Submit(1, "ping", timeout=2.0), 0.0)

    [settle] = pool.handle(Tick(), 2.0)

    assert settle.outcome.message == "waited 2.0 s; pool 'p' is paused"
    assert dict(settle.outcome.detail)["hint"] == "run `snakepit resume p`"


def test_a_pool_that_has_no_worker_yet_is_not_too_small():
    pool = Pool("p", 1, Limits(startup_timeout=100.0))
    pool.handle(Resize(1), 0.0)
    pool.handle(Submit(1, "ping"), 0.0)

    [settle] = pool.handle(Tick(), 30.0)

    assert settle.outcome.kind == "startup_timeout"
    assert (
        "raise `startup_timeout` (100 s, doubled after each slow start) under [pools.p.limits]"
        in dict(settle.outcome.detail)["hint"]
    )


def test_without_a_queue_a_call_runs_now_or_not_at_all():
    pool = serving(queue_size=0)

    assert pool.handle(Submit(1, "ping"), 0.0) == [Dispatch("p-1", 1, 30.0)]
    assert kinds(pool.handle(Submit(2, "ping"), 0.0)) == [(2, "pool_saturated")]


def test_without_patience_a_free_worker_is_still_used():
    pool = serving(queue_timeout=0.0)

    assert pool.handle(Submit(1, "ping"), 0.0) == [Dispatch("p-1", 1, 30.0)]
    assert kinds(pool.handle(Submit(2, "ping"), 0.0)) == [(2, "queue_timeout")]


def test_a_call_that_waits_too_long_is_told_how_things_stand():
    pool = serving(2)
    for call in (1, 2, 3, 4):
        pool.handle(Submit(call, "ping"), 1.0)
    pool.handle(Cancel(4), 1.0)
    pool.handle(Submit(5, "ping"), 2.0)

    assert pool.next_deadline() == 6.0
    [settle] = pool.handle(Tick(), 6.0)

    assert settle.call == 3
    assert settle.outcome.kind == "queue_timeout"
    assert settle.outcome.message == "waited 5.0 s; 2 of 2 workers busy, 1 other call waiting"
    assert settle.outcome.detail == (("waited", 5.0), ("busy", 2), ("workers", 2), ("waiting", 1))
    assert pool.next_deadline() == 7.0


def test_waiting_for_the_first_worker_does_not_count():
    pool = Pool("p", 1, Limits(startup_timeout=100.0))
    pool.handle(Resize(1), 0.0)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)

    assert pool.handle(Tick(), 20.0) == []
    assert pool.handle(Attached("p-1"), 20.0) == [Dispatch("p-1", 1, 10.0)]
    assert pool.next_deadline() == 25.0
    assert kinds(pool.handle(Tick(), 25.0)) == [(2, "queue_timeout")]


def test_waiting_while_the_only_worker_is_replaced_does_not_count_either():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)
    pool.handle(Exited("p-1", CRASH), 4.0)

    assert pool.handle(Tick(), 9.0) == []
    pool.handle(Submit(3, "ping"), 9.0)
    assert pool.handle(Attached("p-2"), 10.0) == [Dispatch("p-2", 2, 20.0)]
    assert pool.handle(Tick(), 14.5) == []
    assert kinds(pool.handle(Tick(), 15.0)) == [(3, "queue_timeout")]


def test_a_call_never_waits_past_its_own_deadline():
    pool = Pool("p", 1, Limits())
    pool.handle(Resize(1), 0.0)
    pool.handle(Submit(1, "ping", timeout=1.5), 0.0)

    assert pool.next_deadline() == 1.5
    [settle] = pool.handle(Tick(), 1.5)

    assert settle.outcome.kind == "startup_timeout"
    assert settle.outcome.message == "waited 1.5 s; no worker of pool 'p' is ready yet"


def test_a_running_call_out_of_time_is_settled_and_keeps_its_slot_until_the_worker_lets_go():
    pool = serving()
    pool.handle(Submit(1, "ping", timeout=3.0), 0.0)

    assert pool.next_deadline() == 3.0
    effects = pool.handle(Tick(), 3.0)

    assert kinds(effects) == [(1, "worker_timeout")]
    assert effects[0].outcome.message == "timed out after 3.0 s in worker p-1; the call was cancelled"
    assert effects[1:] == [Interrupt("p-1", 1)]
    assert pool.handle(Submit(2, "ping"), 3.5) == []
    assert pool.handle(Finished("p-1", 1, "too late"), 4.0) == [Dispatch("p-1", 2, 29.5)]
    assert pool.handle(Finished("p-1", 1, "twice"), 4.0) == []


def test_an_answer_at_the_last_moment_counts():
    pool = serving()
    pool.handle(Submit(1, "ping", timeout=3.0), 0.0)

    assert pool.handle(Finished("p-1", 1, "a"), 3.25) == [Settle(1, "a")]


def test_a_worker_that_does_not_let_go_is_killed_and_replaced():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Cancel(1), 1.0)
    pool.handle(Submit(2, "ping"), 1.0)

    assert pool.next_deadline() == 3.0
    assert pool.handle(Tick(), 3.0) == [Kill("p-1")]
    assert pool.handle(Finished("p-1", 1, "too late"), 3.0) == []
    assert pool.handle(Exited("p-1", CRASH), 3.1) == [Spawn(("p-2",))]
    assert pool.handle(Attached("p-2"), 3.5) == [Dispatch("p-2", 2, 27.5)]
    assert pool.snapshot().restarts == 1


def test_calls_beside_an_abandoned_one_die_with_their_worker_or_are_answered_before():
    pool = serving(capacity=3)
    for call in (1, 2, 3):
        pool.handle(Submit(call, "ping"), 0.0)
    pool.handle(Cancel(1), 0.0)
    assert pool.handle(Tick(), 2.0) == [Kill("p-1")]

    assert pool.handle(Finished("p-1", 2, "just in time"), 2.0) == [Settle(2, "just in time")]
    assert pool.handle(Exited("p-1", CRASH), 2.1) == [Settle(3, CRASH), Spawn(("p-2",))]


def test_a_call_on_a_dying_worker_still_has_its_deadline_and_can_be_cancelled():
    pool = serving(capacity=3)
    for call, timeout in ((1, 30.0), (2, 30.0), (3, 2.5)):
        pool.handle(Submit(call, "ping", timeout=timeout), 0.0)
    pool.handle(Cancel(1), 0.0)
    pool.handle(Tick(), 2.0)

    assert kinds(pool.handle(Tick(), 2.5)) == [(3, "worker_timeout")]
    assert pool.handle(Cancel(2), 2.5) == [Settle(2, CANCELLED)]
    assert pool.handle(Exited("p-1", CRASH), 3.0) == [Spawn(("p-2",))]


def test_cancel_takes_a_waiting_call_out_of_the_queue():
    pool = serving()
    for call in (1, 2, 3):
        pool.handle(Submit(call, "ping"), 0.0)

    assert pool.handle(Cancel(2), 0.0) == [Settle(2, CANCELLED)]
    assert pool.handle(Finished("p-1", 1, "a"), 0.0) == [Settle(1, "a"), Dispatch("p-1", 3, 30.0)]


def test_cancel_settles_a_running_call_at_once():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)

    assert pool.handle(Cancel(1), 0.5) == [Settle(1, CANCELLED), Interrupt("p-1", 1)]
    assert pool.handle(Cancel(1), 0.5) == []
    assert pool.handle(Cancel(99), 0.5) == []
    assert pool.handle(Finished("p-1", 1, "late"), 1.0) == []


def test_what_is_said_twice_or_about_strangers_is_ignored():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)

    assert pool.handle(Submit(1, "ping"), 0.0) == []
    assert pool.handle(Submit(2, "ping"), 0.0) == []
    assert pool.handle(Attached("p-1", 5), 0.0) == []
    assert pool.handle(Finished("p-1", 2, "waits"), 0.0) == []
    assert pool.handle(Finished("p-9", 1, "stranger"), 0.0) == []
    assert pool.handle(Attached("p-9"), 0.0) == []
    assert pool.handle(Exited("p-9", CRASH), 0.0) == []
    assert pool.snapshot().requests == 2
    pool.check()


def test_a_session_comes_back_to_the_worker_that_served_it():
    pool = serving(3)
    assert pool.handle(Submit(1, "ping", session="s"), 0.0) == [Dispatch("p-3", 1, 30.0)]
    assert pool.handle(Submit(2, "ping"), 0.0) == [Dispatch("p-2", 2, 30.0)]
    pool.handle(Finished("p-3", 1, "a"), 0.0)
    pool.handle(Finished("p-2", 2, "b"), 0.0)

    assert pool.handle(Submit(3, "ping", session="s"), 0.0) == [Dispatch("p-3", 3, 30.0)]


def test_a_session_whose_worker_is_busy_or_gone_moves():
    pool = serving(2)
    pool.handle(Submit(1, "ping", session="s"), 0.0)  # p-2 is home and busy

    assert pool.handle(Submit(2, "ping", session="s"), 0.0) == [Dispatch("p-1", 2, 30.0)]
    pool.handle(Finished("p-1", 2, "b"), 0.0)
    pool.handle(Finished("p-2", 1, "a"), 0.0)
    assert pool.handle(Submit(3, "ping", session="s"), 0.0) == [Dispatch("p-1", 3, 30.0)]
    pool.handle(Exited("p-1", CRASH), 0.0)
    assert pool.handle(Submit(4, "ping", session="s"), 0.0) == [Dispatch("p-2", 4, 30.0)]


def test_an_idle_worker_comes_before_a_second_call_on_a_busy_one_and_load_is_spread():
    pool = serving(2, capacity=3)

    order = [pool.handle(Submit(call, "ping"), 0.0)[0].worker for call in range(6)]

    assert order == ["p-2", "p-1", "p-2", "p-1", "p-2", "p-1"]
    assert pool.handle(Submit(9, "ping"), 0.0) == []


def test_a_worker_in_doubt_comes_after_an_idle_one():
    pool = serving(2, capacity=2)
    for call in (1, 2, 3):
        pool.handle(Submit(call, "ping"), 0.0)  # p-2, p-1, p-2
    pool.handle(Cancel(1), 0.0)
    pool.handle(Finished("p-1", 2, "b"), 0.0)
    pool.handle(Finished("p-2", 3, "c"), 0.0)

    assert pool.handle(Submit(4, "ping"), 0.0) == [Dispatch("p-1", 4, 30.0)]


def test_of_the_idle_workers_the_warmest_is_used():
    pool = serving(3)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)
    pool.handle(Finished("p-3", 1, "a"), 0.0)
    pool.handle(Finished("p-2", 2, "b"), 0.0)

    assert pool.handle(Submit(3, "ping"), 0.0) == [Dispatch("p-2", 3, 30.0)]


def test_failed_replies_are_counted():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Finished("p-1", 1, "traceback", failed=True), 0.0)

    assert pool.snapshot().errors == 1


def test_a_thousand_settled_calls_leave_no_deadlines_behind():
    pool = serving()
    pool.handle(Submit(0, "ping", timeout=1.0), 0.0)  # stays on top of the heap
    pool.handle(Finished("p-1", 0, "a"), 0.0)
    for call in range(1, 1001):
        pool.handle(Submit(call, "ping"), 0.0)
        pool.handle(Finished("p-1", call, "a"), 0.0)

    assert len(pool._state.deadlines.heap) < 100
    assert pool.next_deadline() is None


def test_a_long_call_keeps_its_deadline_while_a_thousand_short_ones_pass():
    pool = serving(2)
    pool.handle(Submit(0, "train", timeout=60.0), 0.0)  # on p-2
    for call in range(1, 1001):
        pool.handle(Submit(call, "ping"), 0.0)
        pool.handle(Finished("p-1", call, "a"), 0.0)

    assert pool.next_deadline() == 60.0
    assert kinds(pool.handle(Tick(), 60.0)) == [(0, "worker_timeout")]
