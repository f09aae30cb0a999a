"""Requests about detached streams: start, list, read, wait for, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from typing import Any

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.core.events import Affinity
from snakepit_cli.server.calls.call import Header
from snakepit_cli.server.calls.spool import Spool
from snakepit_cli.server.instance import Instance
from snakepit_cli.wire import ops
from snakepit_cli.wire.fields import Op

Say = Callable[[bytes], Awaitable[None]]
"""Sends chunks to a client, and waits while the client has enough of them unread."""
_LONGEST_SECONDS = 30 * 86400.0
_FORGOTTEN = "its file has been removed"


async def _detach(instance: Instance, request: ops.Detach, _say: Say) -> Any:
    """Starts a detached stream; its facts."""
    header = Header(
        version=__version__, command=request.command, cwd=request.cwd, pool=request.pool, session=request.session,
        timeout=request.timeout or _LONGEST_SECONDS, stream=True, affinity=Affinity(request.affinity),
        nan=request.nan, metadata=request.metadata,
    )  # fmt: skip
    instance.pool(header.pool)
    spool = await instance.spools.new(header.command, header.pool)
    try:
        pool, call = instance.submit(spool, 0, header, request.args.encode())
    except PitError as error:
        spool.error(0, error)
        raise
    spool.give_up = lambda: pool.cancel(call)
    spool.resume = lambda: pool.resume(call)
    return asdict(spool.facts)


async def _streams(instance: Instance, _: ops.Streams, _say: Say) -> Any:
    await instance.spools.expire()
    return [asdict(one.facts) for one in sorted(instance.spools.all.values(), key=lambda one: one.facts.started)]


async def _tail(instance: Instance, request: ops.Tail, say: Say) -> Any:
    """All chunks from some point on, until the end of the stream; an error when it has ended badly."""
    spool = instance.spools.get(request.id)
    try:
        offset = await asyncio.to_thread(spool.offset, request.start)
        while True:
            over = spool.over
            while lines := await asyncio.to_thread(spool.read, offset):
                offset += len(lines)
                await say(lines)
            if over:
                break
            if offset >= spool.facts.bytes and not spool.over:
                await spool.news()
    except OSError:
        raise PitError("output_failed", f"stream {spool.facts.id} cannot be read: {_FORGOTTEN}") from None
    if spool.facts.error is not None:
        raise PitError.from_dict(spool.facts.error)
    return asdict(spool.facts)


async def _wait(instance: Instance, request: ops.Wait, _say: Say) -> Any:
    """Their outcomes, when all have ended."""
    spools = [instance.spools.get(name) for name in request.ids]
    try:
        async with asyncio.timeout(request.timeout):
            for spool in spools:
                await _over(spool)
    except TimeoutError:
        left = [spool.facts.id for spool in spools if not spool.over]
        raise PitError("worker_timeout", f"still running: {', '.join(left)}", hint="wait again") from None
    return [asdict(spool.facts) for spool in spools]


async def _over(spool: Spool) -> None:
    while not spool.over:
        await spool.news()


async def _cancel(instance: Instance, request: ops.Cancel, _say: Say) -> Any:
    """A stream, or any call by its number. Whether it was still running."""
    name = request.id
    if isinstance(name, int):
        return {"id": name, "cancelled": instance.cancel(name)}
    spool = instance.spools.get(name)
    running = not spool.over
    spool.give_up()
    return {"id": name, "cancelled": running}


OPS: dict[type[Op], Callable[[Instance, Any, Say], Coroutine[Any, Any, Any]]] = {
    ops.Detach: _detach,
    ops.Streams: _streams,
    ops.Tail: _tail,
    ops.Wait: _wait,
    ops.Cancel: _cancel,
}
