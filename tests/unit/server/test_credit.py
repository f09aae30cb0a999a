"""Flow control of a stream: what has been used up, when it is given back, when its worker must wait."""

from __future__ import annotations

from snakepit_cli.server.calls.credit import WINDOW, Credit


def test_credit_is_given_back_in_quarters_of_the_window() -> None:
    credit = Credit()
    credit.use(WINDOW // 4 - 1)
    assert not credit.is_due
    credit.use(1)
    assert credit.is_due
    assert credit.give_all() == WINDOW // 4
    assert (credit.used, credit.is_due) == (0, False)


def test_a_worker_without_credit_waits_until_some_is_given() -> None:
    credit = Credit()
    credit.use(WINDOW)
    assert not credit.exhausted
    credit.use(1)
    assert credit.exhausted
    credit.give(1)
    assert not credit.exhausted
