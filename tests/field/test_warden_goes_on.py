"""An error of the system in the middle of what the warden does costs at most what it was about."""

from __future__ import annotations

import pytest

from tests.harness import procs, wait
from tests.harness.pit import Pit


@pytest.mark.parametrize(
    "point", ["warden.asked=eio@4", "warden.after-fork=eio@4", "warden.child-died=eio", "warden.before-gate=eio@4"]
)
def test_an_error_in_one_place(point: str) -> None:
    with Pit(SNAKEPIT_FAILPOINT=point) as pit:
        pit.run("up", "--size", "2")
        warden = pit.warden
        (first, _) = pit.workers()
        procs.kill(first["pid"])
        wait.until(lambda: first["pid"] not in [one["pid"] for one in pit.workers()], "its death to be noticed")
        pit.until_pool("two workers", ready=2)
        assert pit.run("exec", "ping").returncode == 0
        assert pit.warden == warden
        assert "Input/output error" in pit.log("warden")
