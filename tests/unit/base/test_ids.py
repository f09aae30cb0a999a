"""The id of a worker is a value that is taken apart in one place."""

from __future__ import annotations

import pytest

from snakepit_cli.base.ids import WorkerId, pool_of


@pytest.mark.parametrize("worker", [WorkerId("words", 1), WorkerId("a-b.c_d", 120), WorkerId("a-1", 2)])
def test_an_id_survives_being_a_string(worker: WorkerId) -> None:
    assert WorkerId.parse(str(worker)) == worker
    assert pool_of(str(worker)) == worker.pool


@pytest.mark.parametrize("text", ["", "words", "words-", "-1", "words-x", "words-\u0661", "words-" + "9" * 5000, "a--"])
def test_what_is_not_an_id(text: str) -> None:
    assert WorkerId.parse(text) is None
    assert pool_of(text) == ""
