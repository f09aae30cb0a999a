"""What `workers`, `status`, `explain` and `restart` say of work that is under way."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.harness import wait
from tests.harness.pit import Pit


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit() as one:
        one.run("up", "--size", "2")
        yield one


def busy(pit: Pit) -> list[dict[str, object]]:
    return [row for row in pit.json("workers") if row["calls"]]


def test_what_a_worker_is_doing(shared: Pit) -> None:
    with shared.start("exec", "sleep", "seconds:=60", "--session", "mine", "--timeout", "90s") as sleeper:
        (row,) = wait.until(lambda: busy(shared), "a worker is busy")
        (call,) = row["calls"]
        assert (call["command"], call["session"], call["items"]) == ("sleep", "mine", None)
        assert call["seconds"] >= 0
        assert f"{row['id']}" in shared.run("workers").stdout
        assert "sleep, " in shared.run("workers").stdout
        assert f"worker {row['id']}): running" in shared.run("explain", str(call["call"])).stdout
        late = shared.run("restart", "--timeout", "0.5", check=False)
        assert late.returncode == 124
        assert f"{row['id']} is busy" in late.stderr
        assert "got ready" not in late.stderr
        sleeper.send_signal(signal.SIGINT)
        assert sleeper.wait(20) == 130
    wait.until(lambda: not busy(shared), "no worker is busy")


def test_items_of_map_are_counted(shared: Pit) -> None:
    before = shared.pool()["requests"]
    shared.run("map", "compute", "operation=sqrt", "--arg", "a", input="".join(f"{n}\n" for n in range(1000)))
    assert shared.pool()["requests"] == before + 1000
    assert sum(row["requests"] for row in shared.json("workers")) >= 1000
