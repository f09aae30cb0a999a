"""`Connection.map`, against real workers."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.api import Connection, workers
from tests.harness import wait
from tests.harness.pit import Pit

ADAPTER = """
import os
from snakepit_bridge import BaseAdapter, command

class Many(BaseAdapter):
    def execute_double(self, n: float, deadly: int = -1, path: str = ""):
        if n == deadly and not (path and os.path.exists(path)):
            if path:
                open(path, "w").close()
            os.kill(os.getpid(), 9)
        if n == -2:
            raise KeyError("not this one")
        return 2 * n

    def execute_echo(self, **given):
        return given

    def execute_sums(self, item: list):
        return [sum(item)] * len(item)
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        one.adapter(ADAPTER)
        one.run("up", "--adapter", "adapter.py:Many", "--size", "2")
        yield one


@pytest.fixture
def connection(pit: Pit) -> Iterator[Connection]:
    with pit.connection() as one:
        yield one
        assert one.call("double", b'{"n":1}') == b"2", "the connection goes on"


def test_answers_come_in_the_order_of_the_items(connection: Connection) -> None:
    items = itertools.count()
    found = connection.map("double", items, item="n")
    assert list(itertools.islice(found, 50_000)) == [2 * n for n in range(50_000)]
    found.close()
    assert next(items) < 10_000_000, "no more are taken than there is room for"
    everything = connection.map("double", range(5000), item="n", ordered=False)
    assert sorted(everything) == [2 * n for n in range(5000)]
    assert list(connection.map("double", [])) == []


def test_calls_between_answers_and_two_runs_at_once(connection: Connection) -> None:
    first, second = (connection.map("double", range(3000), item="n") for _ in range(2))
    for n, (one, other) in enumerate(zip(first, second, strict=True)):
        assert one == other == 2 * n
        if n % 1000 == 0:
            assert connection.call("double", b'{"n":5}') == b"10"


def test_items_and_arguments(connection: Connection) -> None:
    items: list[Any] = [{"a": 1}, 5, None, "text\nof two lines", [1, 2], np.float32(0.5), True, {"b": None}]
    found = list(connection.map("echo", items, arguments={"c": 3}, item="x"))
    assert found == [
        {"c": 3, **(one if isinstance(one, dict) else {"x": one})} for one in items
    ]  # fmt: skip
    huge = 1 << 80
    assert list(connection.map("echo", [{"a": huge}])) == [{"a": huge}]
    assert list(connection.map("sums", range(10), batch=5)) == [10] * 5 + [35] * 5


@pytest.mark.parametrize(
    "bad", [float("nan"), object(), {1: {2: float("inf")}}, "\ud800"], ids=["nan", "object", "inf", "surrogate"]
)
def test_an_item_that_cannot_be_sent_is_named(connection: Connection, bad: object) -> None:
    with pytest.raises(PitError, match="item 3 cannot be sent: ") as raised:
        list(connection.map("echo", [1, 2, bad, 4]))
    assert raised.value.kind == "invalid_arguments"


@pytest.mark.parametrize("kind", [LookupError, ConnectionResetError, BrokenPipeError, TimeoutError])
def test_what_the_iterable_raises_is_raised(connection: Connection, kind: type[Exception]) -> None:
    error = kind("no more")

    def items() -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(kind, match="no more") as raised:
        list(connection.map("double", items(), item="n"))
    assert raised.value is error


def test_answers_come_while_the_iterable_takes_its_time(pit: Pit, connection: Connection) -> None:
    pit.run("up", "wide", "--adapter", "adapter.py:Many", "--size", "6")
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        with pit.connection() as other:
            for n in range(100):
                taken += 1
                yield n
                for _ in range(100):  # a slow iterable: what was taken before is sent before the next item
                    other.call("double", b'{"n":1}')
                if n == 2:
                    wait.until(lambda: sum(one["requests"] for one in workers(other, "wide")), "an answer")

    found = connection.map("double", items(), item="n", pool="wide")
    assert next(found) == 0
    assert taken <= 4, "not one for each worker"
    found.close()


def test_an_item_that_fails_ends_the_run_or_is_returned(connection: Connection) -> None:
    found = connection.map("double", [1, -2, 3], item="n")
    assert next(found) == 2
    with pytest.raises(PitError, match="not this one") as raised:
        next(found)
    assert (raised.value.kind, raised.value.detail["line"]) == ("command_failed", 2)
    assert list(found) == []
    one, error, three = connection.map("double", [1, -2, 3], item="n", errors="return")
    assert (one, three) == (2, 6)
    assert isinstance(error, PitError)
    assert error.detail["type"] == "KeyError"


def test_a_command_that_is_not_there_fails_before_an_item_is_taken(connection: Connection) -> None:
    items = iter([1])
    with pytest.raises(PitError, match="did you mean `double`"):
        connection.map("doubel", items)
    assert next(items) == 1
    with pytest.raises(PitError, match="no JSON form"):
        connection.map("echo", items, arguments={"x": b"bytes"})


def test_a_worker_that_dies_fails_its_item_alone(connection: Connection) -> None:
    found = list(connection.map("double", range(2000), item="n", arguments={"deadly": 700}, errors="return"))
    assert found.pop(700).kind == "worker_crashed"
    assert found == [2 * n for n in range(2000) if n != 700]


def test_an_item_is_run_again_when_its_worker_has_died(pit: Pit, connection: Connection) -> None:
    fixed = {"deadly": 700, "path": str(pit.work / "died")}
    assert list(connection.map("double", range(2000), item="n", arguments=fixed, retries=1)) == [
        2 * n for n in range(2000)
    ]


def test_the_server_is_killed_in_the_middle(pit: Pit) -> None:
    with pit.connection() as connection:
        found = connection.map("double", range(20_000), item="n")
        assert next(found) == 0
        os.kill(pit.status()["server"]["pid"], signal.SIGKILL)
        assert list(found) == [2 * n for n in range(1, 20_000)]
    pit.until_pool("the pool to be back", "default", ready=2)
