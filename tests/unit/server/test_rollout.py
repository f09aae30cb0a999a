"""`up` changes a pool that runs: workers are replaced one after another, and no call fails because of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.settings.schema import PoolSettings, Settings
from snakepit_cli.wire import ops
from tests.unit.server.harness import Caller, Harness, in_instance, small, until
from tests.unit.server.test_handover import dial, hello, kept

CHANGES: dict[str, dict[str, Any]] = {
    "adapter": {"adapter": "new:Adapter"},
    "capacity": {"capacity": 2},
    "spare": {"spare": 1},
    "environment": {"variables": {"COLOR": "red"}},
    "interpreter": {"interpreter": "/bin/sh"},
}


async def begin(harness: Harness) -> tuple[Caller, str]:
    """A call that runs until the test ends it, and its worker."""
    caller = harness.call("wait")
    await until(lambda: caller.call.worker)
    return caller, caller.call.worker


@pytest.mark.parametrize("change", CHANGES)
def test_a_running_pool_takes_over_what_the_request_names(change: str, tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up(adapter="old:Adapter", size=3)
        pool = harness.instance.pools["default"]
        old = set(pool.workers)
        answer = await harness.up(**CHANGES[change])
        assert (answer["changed"], answer["state"]) == (True, "open")
        assert pool is harness.instance.pools["default"]
        assert not old & set(pool.workers)
        assert len(pool.workers) == 3 + (change == "spare")
        assert pool.spec.adapter == ("new:Adapter" if change == "adapter" else "old:Adapter")
        new = set(pool.workers)
        assert not (await harness.up(**CHANGES[change]))["changed"], "repeating it changes nothing"
        assert set(pool.workers) == new
        assert await harness.call().answer == b'{"a":1}'

    in_instance(test, tmp_path)


def test_what_the_request_does_not_name_stays(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up(adapter="a:A", size=3, spare=1, variables={"A": "1"})
        await harness.up(variables={"B": "2"})
        spec = harness.instance.pools["default"].spec
        assert (spec.adapter, spec.size, spec.spare) == ("a:A", 3, 1)
        assert {"A": "1", "B": "2"}.items() <= spec.env.items()
        await harness.up(adapter="b:B")
        spec = harness.instance.pools["default"].spec
        assert (spec.adapter, spec.size, spec.spare) == ("b:B", 3, 0), "another adapter describes the pool anew"
        assert not {"A", "B"} & spec.env.keys()

    in_instance(test, tmp_path)


def test_calls_that_run_are_finished_and_new_ones_are_served_meanwhile(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        running, busy = await begin(harness)
        rollout = asyncio.ensure_future(harness.up(adapter="new:Adapter"))
        pool = harness.instance.pools["default"]
        await until(lambda: pool.old_workers() == [busy])
        assert await harness.call().answer == b'{"a":1}'
        assert not rollout.done(), "a worker of before has a call"
        harness.warden.links[busy].finish(running.call.id)
        assert await running.answer == b"null"
        assert (await rollout)["ready"] == 2

    in_instance(test, tmp_path)


def test_one_that_takes_too_long_says_which_worker_is_busy(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        running, busy = await begin(harness)
        with pytest.raises(PitError, match=f"1 of 2 workers .* were replaced within 0.2 s; {busy} is busy"):
            await harness.up(adapter="new:Adapter", timeout=0.2)
        harness.warden.links[busy].finish(running.call.id)
        await running.answer

    in_instance(test, tmp_path)


def test_one_whose_new_workers_do_not_get_ready_says_so_though_old_ones_are_busy(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        running, busy = await begin(harness)
        harness.warden.slow.add("default")
        with pytest.raises(PitError, match=r"0 of 2 workers .* were replaced within 0.2 s; the new ones have not got"):
            await harness.up(adapter="new:Adapter", timeout=0.2)
        harness.warden.links[busy].finish(running.call.id)
        await running.answer

    in_instance(test, tmp_path)


def test_workers_of_before_serve_on_when_the_new_ones_cannot_start(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up(adapter="old:Adapter")
        old = set(harness.instance.pools["default"].workers)
        harness.warden.broken.add("new:Adapter")
        with pytest.raises(PitError, match="broken"):
            await harness.up(adapter="new:Adapter")
        pool = harness.instance.pools["default"]
        assert set(pool.workers) == old
        assert pool.snapshot()["state"] == "degraded"
        assert await harness.call().answer == b'{"a":1}'
        harness.warden.broken.clear()
        answer = await harness.up(adapter="new:Adapter")
        assert (answer["state"], answer["ready"]) == ("open", 2)
        assert not old & set(pool.workers)

    in_instance(test, tmp_path)


def test_workers_that_still_start_are_not_waited_for(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.slow.add("default")
        await harness.up(adapter="old:Adapter", wait=False)
        pool = harness.instance.pools["default"]
        await until(lambda: all(worker.pid for worker in pool.workers.values()))
        harness.warden.slow.clear()
        assert (await harness.up(adapter="new:Adapter"))["ready"] == 2
        assert harness.warden.ops("template")[-1]["go"]["adapter"] == "new:Adapter"

    in_instance(test, tmp_path)


@pytest.mark.parametrize("turns", range(6))
def test_another_change_before_the_first_is_done(turns: int, tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up(adapter="a:A")
        for adapter in ("b:B", "c:C"):
            await harness.up(adapter=adapter, wait=False)
            for _ in range(turns):
                await asyncio.sleep(0)
        await harness.up(adapter="d:D")
        pool = harness.instance.pools["default"]
        assert (pool.old_workers(), pool.snapshot()["ready"]) == ([], 2)
        assert harness.warden.ops("template")[-1]["go"]["adapter"] == "d:D"
        await harness.instance.down("default", 0.0)

    in_instance(test, tmp_path)


def test_the_failure_of_an_adapter_that_is_not_wanted_any_more_is_no_failure(tmp_path: Path) -> None:
    """It is on its way while another adapter is asked for."""

    async def test(harness: Harness) -> None:
        asked: list[dict[str, Any]] = []
        answer = harness.warden._template
        harness.warden._template = lambda **fields: asked.append(fields)  # type: ignore[method-assign]
        harness.warden.broken.add("wrong:Adapter")
        await harness.up(adapter="wrong:Adapter", wait=False)
        rollout = asyncio.ensure_future(harness.up(adapter="right:Adapter"))
        await until(lambda: len(asked) == 2)
        for request in asked:
            answer(**request)
        assert (await rollout)["ready"] == 2

    in_instance(test, tmp_path)


def test_a_change_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up(adapter="old:Adapter")
        old = set(harness.instance.pools["default"].workers)
        with pytest.raises(PitError, match="there is no program 'nosuchprogram'"):
            await harness.up(adapter="exec:nosuchprogram")
        assert set(harness.instance.pools["default"].workers) == old
        assert harness.instance.pools["default"].spec.adapter == "old:Adapter"

    in_instance(test, tmp_path)


def test_the_next_server_finishes_it(tmp_path: Path) -> None:
    """The server dies when the pool is described anew and no worker has been replaced yet."""

    async def test(first: Harness) -> None:
        await first.up(adapter="old:Adapter")
        first.warden.slow.add("default")
        await first.up(adapter="new:Adapter", wait=False)
        await asyncio.sleep(0)
        [memo] = kept(first)
        memo["memo"]["workers"] = [fields for fields in memo["memo"]["workers"] if fields[0] in first.warden.links]
        survivors = [fields[0] for fields in memo["memo"]["workers"]]
        assert survivors
        second = Harness(tmp_path, small())
        second.instance.recall(hello(survivors, []), [memo])
        pool = second.instance.pools["default"]
        await dial(second, memo)
        assert pool.commands, "until then the workers of before serve"
        await until(lambda: not set(survivors) & set(pool.workers) and pool.snapshot()["ready"] == 2)
        assert pool.spec.adapter == "new:Adapter"

    in_instance(test, tmp_path)


def test_a_changed_configuration_is_rolled_out_without_a_failed_call(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        running, busy = await begin(harness)
        settings = Settings(pools={"default": PoolSettings(size=3, spare=1)})
        harness.instance.configured(settings, {"default"})
        rollout = asyncio.ensure_future(harness.up())
        await until(lambda: not harness.instance.outdated)
        harness.warden.links[busy].finish(running.call.id)
        assert await running.answer == b"null"
        assert (await rollout)["ready"] == 4
        assert not (await harness.up())["changed"]

    in_instance(test, tmp_path)


def test_a_pool_of_the_name_replaces_one_that_failed(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.broken.add("wrong:Adapter")
        with pytest.raises(PitError, match="broken"):
            await harness.up(adapter="wrong:Adapter")
        harness.warden.broken.clear()
        await harness.ask(ops.Up(pool="default", adapter="wrong:Adapter", cwd="/", env={"PYTHONPATH": "/right"}))
        assert harness.instance.pools["default"].spec.env["PYTHONPATH"] == "/right", "it may have been the cause"

    in_instance(test, tmp_path)
