"""Silent workers: which are condemned, and what looking for them costs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.server.pools import liveness, recycling, usage
from snakepit_cli.server.pools.pool import Pool
from snakepit_cli.settings.schema import PoolSettings, Settings
from tests.harness import wait
from tests.unit.server.harness import Harness, in_instance

SILENCE = 8.0


class Clock:
    """What `liveness` takes for the time, and the processor time of every worker."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.used = 0.0
        self.read: list[int] = []
        self.threads: set[int] = set()
        monkeypatch.setattr(liveness, "_clock", lambda: self.now)
        monkeypatch.setattr(usage, "cpu_seconds", self._cpu_seconds)
        monkeypatch.setattr(usage, "state", lambda _: "stopped")

    def _cpu_seconds(self, pids: Iterable[int]) -> dict[int, float]:
        self.read += pids
        self.threads.add(threading.get_ident())
        return dict.fromkeys(pids, self.used)


def settings(**limits: float) -> Settings:
    return Settings(pools={"default": PoolSettings(size=2, limits={"silence_timeout": SILENCE, **limits})})


async def looks(clock: Clock, pool: Pool, count: int, then: Callable[[], None] = lambda: None) -> None:
    for number in range(count):
        clock.now += SILENCE / 4
        await liveness.look([pool], number)
        then()


def test_workers_that_answer_cost_no_look_at_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    async def test(harness: Harness) -> None:
        await harness.up()
        pool = harness.instance.pools["default"]

        def answer() -> None:
            for worker in pool.workers.values():
                worker.heard = True

        await looks(clock, pool, 20, answer)
        assert not clock.read

    in_instance(test, tmp_path, settings())


def test_a_silent_worker_that_does_not_compute_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    async def test(harness: Harness) -> None:
        await harness.up()
        pool = harness.instance.pools["default"]
        before = set(pool.workers)
        await looks(clock, pool, 7)
        assert {fields["worker"] for fields in harness.warden.ops("kill")} == before
        assert threading.get_ident() not in clock.threads, "the event loop reads no file"

    in_instance(test, tmp_path, settings())


def test_one_that_computes_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    async def test(harness: Harness) -> None:
        await harness.up()

        def compute() -> None:
            clock.used += 1.0

        await looks(clock, harness.instance.pools["default"], 40, compute)
        assert not harness.warden.ops("kill")
        assert clock.read

    in_instance(test, tmp_path, settings())


def test_only_pools_with_a_limit_of_memory_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def resident(pids: Iterable[int]) -> dict[int, int | None]:
        asked.extend(pids)
        return dict.fromkeys(pids, 1 << 30)

    monkeypatch.setattr(usage, "resident", resident)

    async def test(harness: Harness) -> None:
        await harness.up()
        before = set(harness.instance.pools["default"].workers)
        await recycling.look(harness.instance.pools.values())
        assert not asked
        pool = harness.instance.pools["default"]
        pool.limits = pool.limits.__class__(max_memory=100)
        await recycling.look(harness.instance.pools.values())
        await harness.ask(_settled())
        assert not before & set(pool.workers)

    in_instance(test, tmp_path)


def _settled() -> Any:
    from snakepit_cli.wire import ops

    return ops.Replace(pool="default")


def test_what_a_process_and_its_children_use() -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'x = bytearray(50 << 20)\\nwhile True: pass'])\n"
        "sys.stdin.read(); child.kill()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        try:
            wait.until(lambda: usage.cpu_seconds([parent.pid])[parent.pid] > 0.2, "the child to compute")
            assert (usage.resident([parent.pid])[parent.pid] or 0) > 50 << 20
        finally:
            parent.communicate()
    assert usage.resident([parent.pid]) == {parent.pid: None}
    assert usage.cpu_seconds([parent.pid]) == {parent.pid: 0.0}
    assert usage.state(parent.pid) == "gone"


def test_children_are_found_where_the_kernel_does_not_list_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_children", lambda _: None)
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in dict(usage._families([os.getpid()]))[os.getpid()]
        child.kill()
