"""An operation whose client goes away at any moment: it is finished or not begun, and the instance serves on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.wire import ops
from tests.unit.server.harness import Harness, in_instance, until

Prepare = Callable[[Harness], Awaitable[object]]


class Interrupted:
    """Runs a coroutine and cancels its task at the n-th time at which it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: int) -> None:
        self._coroutine = coroutine
        self._at = at
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._coroutine.__await__()
        waited = next(inner, None)
        while True:
            self.waits += 1
            task = asyncio.current_task()
            if self.waits == self._at and task is not None:
                task.cancel()
            try:
                value = yield waited
            except asyncio.CancelledError as error:
                waited = inner.throw(error)
            else:
                try:
                    waited = inner.send(value)
                except StopIteration as done:
                    return done.value


async def interrupted_at_wait(coroutine: Coroutine[Any, Any, Any], at: int) -> bool:
    """Cancels it at the time it waits for the n-th time. Whether that was before its end."""

    async def run() -> Any:
        return await Interrupted(coroutine, at)

    (result,) = await asyncio.gather(asyncio.get_running_loop().create_task(run()), return_exceptions=True)
    return isinstance(result, asyncio.CancelledError)


async def interrupted_after_turns(coroutine: Coroutine[Any, Any, Any], at: int) -> bool:
    """The same after 1, 2, 4, 8 … turns of the event loop: what it waits for is then under way."""
    task = asyncio.get_running_loop().create_task(coroutine)
    for _ in range(1 << at):
        await asyncio.sleep(0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    return isinstance(result, asyncio.CancelledError)


async def _nothing(_: Harness) -> None:
    pass


async def _one_pool(harness: Harness) -> None:
    await harness.up()


async def _busy_pool(harness: Harness) -> None:
    """With a call that ends when others have come round."""
    await harness.up()
    call = harness.call("wait")
    await asyncio.sleep(0)
    link = next(link for link in harness.warden.links.values() if link.calls)
    asyncio.get_running_loop().call_later(0.01, link.finish, call.call.id)


async def _failed_pool(harness: Harness) -> None:
    harness.warden.broken.add("wrong:Adapter")
    await harness.up(adapter="wrong:Adapter", wait=False)
    await until(lambda: harness.instance.pools["default"].failed)


async def _stopping_pool(harness: Harness) -> None:
    await _busy_pool(harness)
    harness.instance.pools["default"].drain(5.0)


CASES: dict[str, tuple[Prepare, ops.Request]] = {
    "up": (_nothing, ops.Up(cwd="/", env={})),
    "up-again": (_one_pool, ops.Up(cwd="/", env={}, size=3)),
    "up-another-adapter": (_busy_pool, ops.Up(cwd="/", env={}, adapter="new:Adapter")),
    "up-after-failure": (_failed_pool, ops.Up(cwd="/", env={}, adapter="right:Adapter")),
    "up-while-stopping": (_stopping_pool, ops.Up(cwd="/", env={})),
    "down": (_one_pool, ops.Down(pool="default")),
    "down-busy": (_busy_pool, ops.Down(pool="default")),
    "drain": (_busy_pool, ops.Drain(pool="default")),
    "scale-up": (_one_pool, ops.Scale(pool="default", size=4)),
    "replace": (_busy_pool, ops.Replace(pool="default")),
    "restart": (_busy_pool, ops.Restart()),
    "shutdown": (_busy_pool, ops.Shutdown()),
    "reap": (_one_pool, ops.Reap(dry_run=False)),
}


@pytest.mark.parametrize("interrupted", [interrupted_at_wait, interrupted_after_turns])
@pytest.mark.parametrize("name", CASES)
def test_a_cancelled_operation_leaves_the_instance_whole(
    name: str, interrupted: Callable[[Coroutine[Any, Any, Any], int], Awaitable[bool]], tmp_path: Path
) -> None:
    prepare, request = CASES[name]
    at, cancelled = 0, True
    while cancelled:
        at += 1

        async def once(harness: Harness, at: int = at) -> None:
            nonlocal cancelled
            await prepare(harness)
            async with asyncio.timeout(10.0):
                cancelled = await interrupted(harness.ask(request), at)
                await until_whole(harness)

        in_instance(once, tmp_path)
    assert at > 1, "it was cancelled at least once"


async def until_whole(harness: Harness) -> None:
    """Whatever was begun is finished: the server ends or hands over, or everything can be used."""
    instance, warden = harness.instance, harness.warden
    await until(lambda: not instance.operations._running)
    closing = instance._closing
    await until(lambda: not closing or warden.ops("shutdown"))
    await until(lambda: not harness.turned_away or warden.ops("restart"))
    assert not instance._reaps
    if closing:
        assert not instance.pools
        return
    pool = instance.pools.get("default")
    if pool is not None and pool.ending:
        await pool.drained.wait()
    await harness.up()
    await harness.ask(ops.Admit(pool="default", gate="open"))
    assert await harness.call("echo").answer == b'{"a":1}'
    await harness.ask(ops.Down(pool="default"))
    assert not instance.pools
