"""When the server is started again."""

from __future__ import annotations

from snakepit_cli.warden.restarts import FREE, HOPELESS, PAUSE_LAST, WINDOW, Restarts


def test_a_server_that_served_is_started_at_once_a_few_times_and_then_with_growing_pauses() -> None:
    restarts = Restarts()
    pauses = []
    for _ in range(FREE + 8):
        restarts.ready()
        pauses.append(restarts.ended(100.0, asked=False))
    assert pauses == [0.0] * FREE + [0.5, 1.0, 2.0, 4.0, 8.0, PAUSE_LAST, PAUSE_LAST, PAUSE_LAST]
    restarts.ready()
    assert restarts.ended(100.0 + WINDOW, asked=False) == 0.0, "the past is forgotten"


def test_servers_that_never_get_ready_are_given_up() -> None:
    restarts = Restarts()
    assert [restarts.ended(0.0, asked=False) for _ in range(HOPELESS)] == [0.0] * HOPELESS
    assert restarts.ended(0.0, asked=False) is None


def test_a_restart_that_was_asked_for_costs_nothing() -> None:
    restarts = Restarts()
    assert [restarts.ended(0.0, asked=True) for _ in range(20)] == [0.0] * 20
    assert restarts.count == 20


def test_a_first_server_that_cannot_be_started_is_the_last_one() -> None:
    assert Restarts().ended(0.0, asked=False, ran=False) is None


def test_a_later_one_that_cannot_be_started_is_tried_again_with_pauses() -> None:
    """The disk is full, say, and there are warm workers to be kept."""
    one, now, pauses = Restarts(), 0.0, []
    one.ready()
    for _ in range(50):
        pause = one.ended(now, asked=False, ran=False)
        assert pause is not None
        pauses.append(pause)
        now += pause + 0.01
    assert now > 20.0, "it does not spin"
