"""Pools of an instance: how `up` makes and changes them, what a request that is refused leaves, nested calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.pools.call_policy import CallPolicy
from snakepit_cli.settings.schema import AdapterSettings
from snakepit_cli.wire import ops
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.binary import pack
from tests.unit.server.harness import Harness, in_instance, until


def test_an_up_that_is_refused_does_not_pin_the_server(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        with pytest.raises(PitError, match="there is no program 'nosuchprogram'"):
            await harness.up("p", adapter="exec:nosuchprogram")
        assert not harness.instance.pinned
        await harness.up()
        assert harness.instance.pinned

    in_instance(test, tmp_path)


def test_a_failed_pool_is_replaced_by_one_that_is_corrected(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.broken.add("wrong:Adapter")
        for _ in range(2):
            with pytest.raises(PitError, match="broken"):
                await harness.up(adapter="wrong:Adapter")
        answer = await harness.up(adapter="right:Adapter", spare=1)
        assert (answer["adapter"], answer["state"], answer["ready"]) == ("right:Adapter", "open", 3)
        assert await harness.call().answer == b'{"a":1}'

    in_instance(test, tmp_path)


def test_a_restart_after_one_that_failed_loads_the_adapter_again(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up(adapter="mine:Adapter")
        harness.warden.broken.add("mine:Adapter")
        with pytest.raises(PitError, match="broken"):
            await harness.ask(ops.Replace(pool="default"))
        harness.warden.broken.clear()
        old = set(harness.instance.pools["default"].workers)
        answer = await harness.ask(ops.Replace(pool="default"))
        assert answer["state"] == "open"
        assert not old & set(harness.instance.pools["default"].workers)

    in_instance(test, tmp_path)


def test_what_a_handler_has_called_is_forgotten_when_it_is_answered(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        outer = harness.call("wait")
        await until(lambda: any(link.calls for link in harness.warden.links.values()))
        link = next(link for link in harness.warden.links.values() if link.calls)
        for number in range(1, 101):
            link.hear(pb.FromWorker(requests=[pb.Request(id=number, command="echo", args=b"{}", parent=outer.call.id)]))
            await until(lambda number=number: len(link.replies) == number)
        assert not outer.call.children
        link.finish(outer.call.id)
        await outer.answer

    in_instance(test, tmp_path)


def test_a_nested_call_with_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        link = next(iter(harness.warden.links.values()))
        link.hear(pb.FromWorker(requests=[pb.Request(id=1, command="é" * 200, args=b"{}")]))
        assert link.replies[0].failure.name == "usage"

    in_instance(test, tmp_path)


def test_a_call_to_a_paused_pool_is_told_at_once(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        await harness.ask(ops.Admit(pool="default", gate="paused"))
        call = harness.call()
        assert call.notes == ["pool default is paused: the call waits; run `snakepit resume default`"]
        await harness.ask(ops.Admit(pool="default", gate="open"))
        assert await call.answer == b'{"a":1}'
        assert not harness.call().notes

    in_instance(test, tmp_path)


@pytest.mark.parametrize("pinned", [True, False])
def test_a_server_with_pools_that_up_has_made_does_not_end_for_a_newer_client(pinned: bool, tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        if pinned:
            await harness.up("p", adapter="mine:Adapter")
            with pytest.raises(PitError, match="keeps pools: p"):
                await harness.ask(ops.Shutdown(timeout=0, if_idle=True))
            assert "p" in harness.instance.pools
        else:
            await harness.call().answer
            assert (await harness.ask(ops.Shutdown(timeout=0, if_idle=True)))["pools"] == 1

    in_instance(test, tmp_path)


PARTS = b"".join(pack(b'{"x":{"$binary":0}}', [b"abc"]))


def test_parts_go_to_workers_that_read_them_and_to_no_others(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        assert await harness.call(args=PARTS).answer == PARTS
        for link in harness.warden.links.values():
            link.protocol = 1
        error = await harness.call(args=PARTS).answer
        assert (error.kind, error.message) == (
            "invalid_arguments", "`echo`: the workers of pool default take JSON; an argument is binary",
        )  # fmt: skip
        assert await harness.call().answer == b'{"a":1}'

    in_instance(test, tmp_path)


def test_batches_go_to_workers_that_know_them_and_to_no_others(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        for link in harness.warden.links.values():
            link.runs_batches = False
        error = await harness.call(args=b"{}\n1\n", stream=True, items=1, batch=1).answer
        assert (error.kind, error.message) == ("usage", "the workers of pool default take one item at a time")
        assert await harness.call().answer == b'{"a":1}'

    in_instance(test, tmp_path)


def test_a_worker_is_told_who_takes_parts(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        wanted = [harness.call(binary=True), harness.call(), harness.call(binary=True, stream=True)]
        for one in wanted:
            await one.answer
        told = [number for link in harness.warden.links.values() for number in link.take_parts]
        assert sorted(told) == [wanted[0].call.id, wanted[2].call.id]

    in_instance(test, tmp_path)


def test_the_arguments_of_a_block_are_json(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        with pytest.raises(PitError, match="the arguments of a block must be JSON"):
            harness.call(args=PARTS + b"\n1\n", items=1, stream=True)

    in_instance(test, tmp_path)


def test_arguments_that_are_checked_cannot_be_binary() -> None:
    policy = CallPolicy("custom", AdapterSettings(executable="x", required={"echo": ("x",)}))
    policy.check("other", PARTS, block=False)
    with pytest.raises(PitError, match="cannot be binary"):
        policy.check("echo", PARTS, block=False)
