"""Which call is taken next, by whom, and what is done for calls beyond giving them to a free worker."""

from __future__ import annotations

from snakepit_cli.core.breaker import DEATHS
from snakepit_cli.core.effects import Dispatch, Recall, Settle, Spawn, Stop
from snakepit_cli.core.events import (
    Admit,
    Affinity,
    Attached,
    Cancel,
    Exited,
    Failure,
    Finished,
    Gate,
    Progress,
    Replace,
    Resize,
    Returned,
    Rollout,
    Submit,
    Tick,
)
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pace import DEEPEST, QUICK, STALL, Paces
from snakepit_cli.core.pool import Pool
from tests.unit.core.words import CRASH, kinds, serving

STRICT, FAST = Affinity.STRICT_QUEUE, Affinity.STRICT_FAIL_FAST


def learned(pool: Pool, command: str = "ping", seconds: float = 0.00001, worker: str = "p-1") -> None:
    """The pool has seen how long the command takes."""
    for call in range(1000, 1008):
        pool.handle(Submit(call, command), 0.0)
        pool.handle(Finished(worker, call, "seen"), seconds)


# ------------------------------------------------------------------------------------------------ quick calls


def test_a_busy_worker_is_given_more_calls_that_are_known_to_be_quick():
    pool = serving()
    learned(pool)
    pool.handle(Submit(1, "ping"), 1.0)

    assert pool.handle(Submit(2, "ping"), 1.0) == [Dispatch("p-1", 2, 30.0)]
    assert pool.handle(Submit(3, "other"), 1.0) == []
    assert pool.handle(Submit(4, "ping"), 1.0) == [], "no overtaking"
    pool.check()


def test_slow_calls_are_never_put_behind_another():
    pool = serving()
    learned(pool, "train", QUICK * 2)
    pool.handle(Submit(1, "train"), 1.0)

    assert pool.handle(Submit(2, "train"), 1.0) == []


def test_nothing_is_put_behind_a_slow_call():
    pool = serving()
    learned(pool)
    pool.handle(Submit(1, "train"), 1.0)

    assert pool.handle(Submit(2, "ping"), 1.0) == []


def test_a_free_worker_comes_first():
    pool = serving(2)
    learned(pool, worker="p-2")
    pool.handle(Submit(1, "ping"), 1.0)

    assert pool.handle(Submit(2, "ping"), 1.0) == [Dispatch("p-1", 2, 30.0)]
    assert [effect.worker for call in (3, 4, 5, 6) for effect in pool.handle(Submit(call, "ping"), 1.0)] == [
        "p-2", "p-1", "p-2", "p-1",
    ]  # fmt: skip


def test_what_waits_behind_a_call_that_turns_out_to_be_slow_is_recalled_and_runs_elsewhere():
    pool = serving(2)
    learned(pool, worker="p-2")
    for call in (1, 2, 3, 4):
        pool.handle(Submit(call, "ping"), 1.0)
    pool.handle(Finished("p-1", 2, "b"), 1.001)
    pool.handle(Finished("p-1", 4, "d"), 1.001)

    assert pool.next_deadline() == 1.0 + STALL
    assert pool.handle(Tick(), 1.0 + STALL) == [Recall("p-2", (3,))]
    assert pool.handle(Returned("p-2", 3), 1.021) == [Dispatch("p-1", 3, 30.0 - (1.021 - 1.0))]
    assert pool.handle(Submit(5, "ping"), 1.021) == [], "the command is not quick any more"
    pool.check()


def test_a_call_that_was_recalled_too_late_is_answered_by_the_worker_that_has_it():
    pool = serving(2)
    learned(pool, worker="p-2")
    for call in (1, 2, 3):
        pool.handle(Submit(call, "ping"), 1.0)
    pool.handle(Tick(), 1.0 + STALL)

    assert pool.handle(Finished("p-2", 1, "a"), 1.1) == [Settle(1, "a")]
    assert pool.handle(Finished("p-2", 3, "c"), 1.1) == [Settle(3, "c")]
    assert pool.handle(Returned("p-2", 3), 1.1) == []


def test_a_recalled_call_that_was_cancelled_meanwhile_only_frees_its_place():
    pool = serving()
    learned(pool)
    pool.handle(Submit(1, "ping"), 1.0)
    pool.handle(Submit(2, "ping"), 1.0)
    pool.handle(Tick(), 1.0 + STALL)
    pool.handle(Cancel(2), 1.03)

    assert pool.handle(Returned("p-1", 2), 1.04) == []
    assert pool.handle(Finished("p-1", 1, "a"), 1.05) == [Settle(1, "a")]
    pool.check()


def test_an_estimate_follows_what_is_seen_and_is_bounded():
    paces = Paces()
    assert paces.depth("ping") == 1
    paces.learn("ping", 0.0001, alone=True)
    assert paces.depth("ping") == 20
    for _ in range(100):
        paces.learn("ping", 0.0, alone=False)
    assert paces.depth("ping") == DEEPEST
    paces.learn("ping", 1.0, alone=True)
    assert paces.depth("ping") == 1
    for n in range(3000):
        paces.learn(f"made-up-{n}", 0.0, alone=True)
    assert len(paces._seconds) <= 1000


# ------------------------------------------------------------------------------------------------ lanes


def test_calls_go_before_blocks_that_came_earlier():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping", stream=True, bulk=True), 0.0)
    pool.handle(Submit(3, "ping"), 0.0)

    assert pool.handle(Finished("p-1", 1, "a"), 1.0)[1:] == [Dispatch("p-1", 3, 29.0)]
    assert pool.handle(Finished("p-1", 3, "c"), 2.0)[1:] == [Dispatch("p-1", 2, 30.0)]


def test_a_block_waits_for_as_long_as_it_takes_and_then_each_item_has_its_time():
    pool = serving()
    pool.handle(Submit(1, "ping", timeout=1000.0), 0.0)
    pool.handle(Submit(2, "ping", stream=True, bulk=True, timeout=3.0), 0.0)

    assert pool.handle(Tick(), 100.0) == []
    assert pool.handle(Finished("p-1", 1, "a"), 101.0)[1:] == [Dispatch("p-1", 2, 3.0)]
    pool.handle(Progress(2), 103.0)
    assert pool.handle(Tick(), 104.0) == []
    assert pool.next_deadline() == 106.0
    [settle, _] = pool.handle(Tick(), 106.0)
    assert settle.outcome.kind == "worker_timeout"
    assert "3.0 s" in settle.outcome.message


def test_a_fair_block_waits_as_a_call_and_runs_as_a_block():
    pool = serving()
    pool.handle(Submit(1, "ping", timeout=10.0), 0.0)
    pool.handle(Submit(2, "ping", stream=True, bulk=True, timeout=3.0, fair=True), 0.0)
    pool.handle(Submit(3, "ping"), 0.0)
    pool.handle(Submit(4, "ping", stream=True, bulk=True, timeout=3.0, fair=True), 0.0)

    assert pool.handle(Finished("p-1", 1, "a"), 1.0)[1:] == [Dispatch("p-1", 2, 3.0)]
    pool.handle(Progress(2), 2.0)
    [settle] = pool.handle(Tick(), 3.5)
    assert (settle.call, settle.outcome.kind) == (4, "queue_timeout")
    [settle, *_] = pool.handle(Tick(), 5.0)
    assert (settle.call, settle.outcome.kind) == (2, "worker_timeout")


# ------------------------------------------------------------------------------------------------ sessions


def test_a_strict_session_waits_for_its_home_although_another_worker_is_free():
    pool = serving(2)
    pool.handle(Submit(1, "ping", "s", affinity=STRICT), 0.0)
    assert pool.handle(Submit(2, "ping", "s", affinity=STRICT), 0.0) == []
    assert pool.handle(Submit(3, "ping"), 0.0) == [Dispatch("p-1", 3, 30.0)]

    assert pool.handle(Finished("p-2", 1, "a"), 1.0)[1:] == [Dispatch("p-2", 2, 29.0)]


def test_or_fails_at_once():
    pool = serving(2)
    pool.handle(Submit(1, "ping", "s", affinity=FAST), 0.0)

    assert kinds(pool.handle(Submit(2, "ping", "s", affinity=FAST), 0.0)) == [(2, "worker_busy")]
    pool.handle(Finished("p-2", 1, "a"), 1.0)
    assert pool.handle(Submit(3, "ping", "s", affinity=FAST), 1.0) == [Dispatch("p-2", 3, 30.0)]


def test_a_strict_session_whose_home_dies_is_lost_once():
    pool = serving(2)
    pool.handle(Submit(1, "ping", "s", affinity=STRICT), 0.0)
    pool.handle(Submit(2, "ping", "s", affinity=STRICT), 0.0)

    lost = pool.handle(Exited("p-2", CRASH), 1.0)
    assert kinds(lost) == [(1, "worker_crashed"), (2, "session_lost")]
    assert pool.handle(Submit(3, "ping", "s", affinity=STRICT), 1.0) == [Dispatch("p-1", 3, 30.0)]


def test_a_strict_call_that_waits_has_no_more_patience_than_others():
    pool = serving(2)
    pool.handle(Submit(1, "ping", "s", affinity=STRICT), 0.0)
    pool.handle(Submit(2, "ping", "s", affinity=STRICT), 0.0)

    assert kinds(pool.handle(Tick(), 5.0)) == [(2, "queue_timeout")]


# ------------------------------------------------------------------------------- calls that only one may run


def test_a_call_for_one_worker_waits_for_it_and_moves_no_session():
    pool = serving(2)
    pool.handle(Submit(1, "ping", "s"), 0.0)  # p-2
    assert pool.handle(Submit(2, "tool", "s", only="p-1"), 0.0) == [Dispatch("p-1", 2, 30.0)]
    assert pool.handle(Submit(3, "tool", "s", only="p-2"), 0.0) == []
    pool.handle(Finished("p-1", 2, "a"), 1.0)
    assert pool.handle(Finished("p-2", 1, "a"), 1.0)[1:] == [Dispatch("p-2", 3, 29.0)]
    pool.handle(Finished("p-2", 3, "a"), 2.0)

    assert pool.handle(Submit(4, "ping", "s"), 2.0) == [Dispatch("p-2", 4, 30.0)]
    pool.check()


def test_a_call_for_a_worker_that_is_gone_fails_at_once():
    pool = serving(2)
    assert kinds(pool.handle(Submit(1, "tool", only="p-9"), 0.0)) == [(1, "tool_unavailable")]
    pool.handle(Submit(2, "tool", only="p-1"), 0.0)
    pool.handle(Submit(3, "tool", only="p-1"), 0.0)

    assert kinds(pool.handle(Exited("p-1", CRASH), 1.0)) == [(2, "worker_crashed"), (3, "tool_unavailable")]
    pool.check()


# ------------------------------------------------------------------------------------------------ deaths


def test_an_idempotent_call_survives_two_workers():
    pool = serving(4)
    pool.handle(Submit(1, "ping", idempotent=True), 0.0)

    assert Dispatch("p-3", 1, 29.0) in pool.handle(Exited("p-4", CRASH), 1.0)
    assert Dispatch("p-2", 1, 28.0) in pool.handle(Exited("p-3", CRASH), 2.0)
    assert Settle(1, CRASH) in pool.handle(Exited("p-2", CRASH), 3.0)


def killed_in_a_row(pool: Pool, count: int) -> None:
    for call in range(1, count + 1):
        [dispatch] = pool.handle(Submit(call, "ping"), 0.0)
        pool.handle(Exited(dispatch.worker, CRASH), 0.0)


def test_calls_that_kill_every_worker_are_turned_away_for_a_while_then_one_may_try():
    pool = serving(DEATHS + 4)
    killed_in_a_row(pool, DEATHS)
    assert pool.snapshot().breaker == "open"

    assert kinds(pool.handle(Submit(11, "ping"), 0.1)) == [(11, "pool_unavailable")]
    [trial] = [e for e in pool.handle(Submit(12, "ping"), 5.0) if isinstance(e, Dispatch)]
    assert kinds(pool.handle(Submit(13, "ping"), 5.0)) == [(13, "pool_unavailable")]
    pool.handle(Finished(trial.worker, 12, "a"), 5.1)
    assert pool.snapshot().breaker == "closed"


def test_a_trial_that_fails_makes_the_pause_longer_and_one_that_gives_up_does_not():
    pool = serving(DEATHS + 4)
    killed_in_a_row(pool, DEATHS)
    pool.handle(Submit(11, "ping"), 5.0)
    pool.handle(Cancel(11), 5.0)
    [trial] = [e for e in pool.handle(Submit(12, "ping"), 5.0) if isinstance(e, Dispatch)]
    pool.handle(Exited(trial.worker, CRASH), 6.0)

    assert kinds(pool.handle(Submit(13, "ping"), 15.0)) == [(13, "pool_unavailable")]
    assert kinds(pool.handle(Submit(14, "ping"), 16.1)) == []


def test_an_answer_in_between_shows_that_it_is_not_every_call():
    pool = serving(DEATHS + 4)
    killed_in_a_row(pool, DEATHS - 1)
    [dispatch] = pool.handle(Submit(10, "ping"), 0.0)
    pool.handle(Finished(dispatch.worker, 10, Failure("command_failed", "no"), failed=True), 0.0)
    [dispatch] = pool.handle(Submit(11, "ping"), 0.0)
    pool.handle(Exited(dispatch.worker, CRASH), 0.0)

    assert pool.snapshot().breaker == "closed"


# ------------------------------------------------------------------------------------------------ verbs


def test_a_paused_pool_lets_calls_wait_and_their_patience_does_not_run():
    pool = serving()
    pool.handle(Admit(Gate.PAUSED), 0.0)
    assert pool.handle(Submit(1, "ping"), 0.0) == []
    assert pool.handle(Tick(), 20.0) == []
    assert pool.snapshot().state == "paused"

    assert pool.handle(Admit(Gate.OPEN), 21.0) == [Dispatch("p-1", 1, 9.0)]


def test_a_closed_pool_runs_what_it_has_and_takes_nothing_new():
    pool = serving()
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)
    pool.handle(Admit(Gate.CLOSED), 0.0)

    assert kinds(pool.handle(Submit(3, "ping"), 0.0)) == [(3, "pool_unavailable")]
    assert Dispatch("p-1", 2, 29.0) in pool.handle(Finished("p-1", 1, "a"), 1.0)
    assert pool.snapshot().state == "closed"


def test_workers_are_replaced_one_by_one_and_no_call_fails():
    pool = serving(2)
    pool.handle(Submit(1, "ping"), 0.0)  # on p-2
    assert pool.handle(Replace(("p-1", "p-2")), 0.0) == [Spawn(("p-3",))]

    assert pool.handle(Attached("p-3"), 1.0) == [Stop("p-1", 5.0), Spawn(("p-4",))]
    assert pool.handle(Attached("p-4"), 2.0) == []
    assert pool.handle(Submit(2, "ping"), 2.0) == [Dispatch("p-4", 2, 30.0)]
    assert pool.handle(Finished("p-2", 1, "a"), 3.0) == [Settle(1, "a"), Stop("p-2", 5.0)]
    assert pool.snapshot().restarts == 0
    pool.check()


def test_replacing_ends_when_new_workers_cannot_start():
    pool = serving(2, give_up_after=1)
    pool.handle(Replace(("p-1", "p-2")), 0.0)
    pool.handle(Exited("p-3", CRASH), 1.0)

    assert pool.snapshot().ready == 2
    assert pool.snapshot().state == "degraded"
    pool.check()


def test_a_rollout_replaces_what_serves_and_stops_what_starts():
    pool = serving(2)
    pool.handle(Resize(3), 0.0)  # p-3 starts
    out = pool.handle(Rollout(2, 1, Limits(stop_grace=1.0)), 1.0)

    assert out == [Stop("p-3", 1.0), Spawn(("p-4",)), Spawn(("p-5",))]
    assert pool.handle(Attached("p-4"), 2.0) == [Stop("p-1", 1.0), Spawn(("p-6",))]
    pool.check()


def test_a_rollout_sets_the_limits_of_the_pool():
    pool = serving(1)
    pool.handle(Rollout(1, 0, Limits(queue_size=1, queue_timeout=1.0)), 0.0)
    pool.handle(Submit(1, "ping"), 0.0)
    pool.handle(Submit(2, "ping"), 0.0)

    assert kinds(pool.handle(Submit(3, "ping"), 0.0)) == [(3, "pool_saturated")]
    assert kinds(pool.handle(Tick(), 1.0)) == [(2, "queue_timeout")]
    pool.check()


def test_a_rollout_makes_a_pool_that_failed_try_again():
    pool = Pool("p", 1, Limits(give_up_after=1))
    pool.handle(Resize(1), 0.0)
    pool.handle(Exited("p-1", CRASH), 0.0)
    assert pool.snapshot().state == "failed"

    assert pool.handle(Rollout(1, 0, Limits()), 0.0) == [Spawn(("p-2",))]
    pool.check()


# --------------------------------------------------------------------------------------------- spare workers


def spared() -> Pool:
    pool = Pool("p", 1, Limits(), spare=1)
    out = pool.handle(Resize(1), 0.0)
    assert out == [Spawn(("p-1", "p-2"))]
    for worker in ("p-1", "p-2"):
        pool.handle(Attached(worker, 1), 0.0)
    return pool


def test_a_spare_worker_takes_no_calls_until_another_is_lost():
    pool = spared()
    [first] = pool.handle(Submit(1, "x"), 1.0)
    assert pool.handle(Submit(2, "x"), 1.0) == [], "the spare one stays idle"
    pool.check()
    out = pool.handle(Exited(first.worker, CRASH), 2.0)
    other = "p-1" if first.worker == "p-2" else "p-2"
    assert Dispatch(other, 2, 29.0) in out
    assert Spawn(("p-3",)) in out
    pool.check()


def test_a_strict_session_waits_for_its_idle_home_while_the_pool_is_full():
    pool = spared()
    [first] = pool.handle(Submit(1, "x", session="s", affinity=STRICT), 1.0)
    pool.handle(Finished(first.worker, 1, "done"), 1.1)
    other = "p-1" if first.worker == "p-2" else "p-2"
    pool.handle(Submit(2, "x", session="t"), 1.2)
    pool.handle(Finished(first.worker, 2, "done"), 1.3)
    pool.handle(Exited(first.worker, CRASH), 1.4)
    assert pool.handle(Submit(3, "x"), 1.5) == [Dispatch(other, 3, 30.0)]
    pool.handle(Attached("p-3", 1), 1.6)
    pool.handle(Submit(4, "x", session="u", affinity=STRICT), 1.7)
    pool.check()
    assert pool.snapshot().busy == 1


def test_an_empty_pool_has_no_spare_workers():
    pool = spared()
    out = pool.handle(Resize(0), 1.0)
    assert [type(effect) for effect in out] == [Stop, Stop]
    pool.check()
    assert pool.handle(Resize(2), 2.0)[0].workers == ("p-3", "p-4", "p-5")
    pool.check()
