"""What one server tells the warden for the next one, and what the next one makes of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from snakepit_cli.wire import ops
from snakepit_cli.wire import worker_pb2 as pb
from tests.unit.server.harness import Harness, Link, in_instance, small, until


def kept(harness: Harness) -> list[dict[str, Any]]:
    """What the warden has for the next server: the last of each pool, as JSON."""
    last = {one["pool"]: one for one in harness.warden.ops("memo")}
    return [json.loads(json.dumps(one)) for one in last.values() if one["memo"] is not None]


def hello(workers: list[str], templates: list[str]) -> dict[str, Any]:
    return {"pinned": True, "workers": workers, "templates": templates}


async def dial(harness: Harness, memo: dict[str, Any]) -> None:
    """The workers of a pool dial home to the new server."""
    for worker, token, *_ in memo["memo"]["workers"]:
        link = harness.warden.links[worker] = Link()
        greeting = pb.Hello(worker=worker, token=token, capacity=1, commands=[pb.CommandSpec(name="echo")])
        link.hear = harness.instance.welcome(greeting, link).heard  # type: ignore[arg-type]


def test_the_next_server_goes_on_with_the_same_workers(tmp_path: Path) -> None:
    async def test(first: Harness) -> None:
        await first.up(size=2)
        await first.ask(ops.Admit(pool="default", gate="paused"))
        await asyncio.sleep(0)
        [memo] = kept(first)
        workers = [fields[0] for fields in memo["memo"]["workers"]]
        second = Harness(tmp_path, small())
        second.instance.recall(hello(workers, ["default"]), [memo])
        await dial(second, memo)
        pool = second.instance.pools["default"]
        await until(lambda: pool.snapshot()["ready"] == 2)
        assert list(pool.workers) == workers
        assert not second.warden.ops("spawn", "kill", "retire", "template")
        assert second.instance.pinned
        assert pool.snapshot()["state"] == "paused", "what was done with calls is handed over, too"
        await second.ask(ops.Admit(pool="default", gate="open"))
        assert await second.call("echo").answer == b'{"a":1}'

    in_instance(test, tmp_path)


def test_only_what_is_missing_is_started_and_names_are_not_used_again(tmp_path: Path) -> None:
    async def test(first: Harness) -> None:
        await first.up(size=2)
        await asyncio.sleep(0)
        [memo] = kept(first)
        survivor, lost = [fields[0] for fields in memo["memo"]["workers"]]
        second = Harness(tmp_path, small())
        second.instance.recall(hello([survivor], ["default"]), [memo])
        pool = second.instance.pools["default"]
        await until(lambda: len(pool.workers) == 2)
        assert survivor in pool.workers
        assert lost not in pool.workers

    in_instance(test, tmp_path)


def test_workers_that_no_pool_expects_are_ended(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.instance.recall(hello(["gone-1"], ["gone"]), [])
        assert harness.warden.ops("kill") == [{"worker": "gone-1"}]
        assert harness.warden.ops("retire") == [{"pool": "gone"}]

    in_instance(test, tmp_path)


def test_a_pool_that_is_stopped_is_not_handed_over(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        await harness.ask(ops.Down(pool="default"))
        await asyncio.sleep(0)
        assert harness.warden.ops("memo")[-1] == {"pool": "default", "memo": None}

    in_instance(test, tmp_path)


def test_it_is_told_once_an_iteration_and_only_what_is_new(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up(size=1)
        await asyncio.sleep(0)
        before = len(harness.warden.ops("memo"))
        for _ in range(50):
            assert await harness.call("echo").answer == b'{"a":1}'
        told = len(harness.warden.ops("memo")) - before
        assert told < 50, "calls are not what the next server has to know"
        harness.instance.pools["default"].resize(3)
        harness.instance.pools["default"].resize(2)
        await asyncio.sleep(0)
        assert harness.warden.ops("memo")[-1]["memo"]["spec"]["size"] == 2

    in_instance(test, tmp_path)


def test_one_pool_that_cannot_be_recalled_does_not_keep_the_others(tmp_path: Path) -> None:
    async def test(first: Harness) -> None:
        await first.up("good", size=1)
        await first.up("bad", size=1)
        await asyncio.sleep(0)
        memos = kept(first)
        next(one for one in memos if one["pool"] == "bad")["memo"]["spec"]["adapter"] = "exec:no-such-program"
        second = Harness(tmp_path, small())
        second.instance.recall(hello([], []), memos)
        assert list(second.instance.pools) == ["good"]

    in_instance(test, tmp_path)
