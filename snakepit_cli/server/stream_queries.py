"""What a client may ask about streams that nobody waits for: begin one, list, read, wait for, and give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from typing import Any

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.core.events import Affinity
from snakepit_cli.server.calls import Header
from snakepit_cli.server.pit import Pit
from snakepit_cli.server.spool import Spool

Fields = dict[str, Any]
Say = Callable[[bytes], Awaitable[None]]
"""Sends chunks to whoever asks, and waits while it has enough of them."""
_LONGEST_SECONDS = 30 * 86400.0
_FORGOTTEN = "somebody has removed its file"


async def _detach(pit: Pit, fields: Fields, _say: Say) -> Any:
    """Begins a stream: what it is."""
    header = Header(
        version=__version__, command=_text(fields["command"]), cwd=_text(fields["cwd"]),
        pool=_text(fields.get("pool") or "default"), session=fields.get("session"),
        timeout=fields.get("timeout") or _LONGEST_SECONDS, stream=True,
        affinity=Affinity(fields.get("affinity") or "hint"),
    )  # fmt: skip
    pit.pool(header.pool)
    spool = pit.spools.new(header.command, header.pool)
    try:
        pool, call = pit.submit(spool, 0, header, _text(fields["args"]).encode())
    except PitError as error:
        spool.error(0, error)
        raise
    spool.give_up = lambda: pool.cancel(call)
    return asdict(spool.facts)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


async def _streams(pit: Pit, _: Fields, _say: Say) -> Any:
    pit.spools.expire()
    return [asdict(one.facts) for one in sorted(pit.spools.all.values(), key=lambda one: one.facts.started)]


async def _tail(pit: Pit, fields: Fields, say: Say) -> Any:
    """All chunks from some point on, until the end of the stream; an error when it has ended badly."""
    spool = pit.spools.get(fields["id"])
    try:
        offset = spool.offset(fields.get("from", "start"))
        while True:
            over = spool.over
            while lines := spool.read(offset):
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


async def _wait(pit: Pit, fields: Fields, _say: Say) -> Any:
    """What has become of them, when all are over."""
    spools = [pit.spools.get(name) for name in fields["ids"]]
    try:
        async with asyncio.timeout(fields.get("timeout")):
            for spool in spools:
                await _over(spool)
    except TimeoutError:
        left = [spool.facts.id for spool in spools if not spool.over]
        raise PitError("worker_timeout", f"still running: {', '.join(left)}", hint="wait again") from None
    return [asdict(spool.facts) for spool in spools]


async def _over(spool: Spool) -> None:
    while not spool.over:
        await spool.news()


async def _cancel(pit: Pit, fields: Fields, _say: Say) -> Any:
    """A stream, or any call by its number. Whether it was still running."""
    name = fields["id"]
    if isinstance(name, int):
        return {"id": name, "cancelled": pit.cancel(name)}
    spool = pit.spools.get(name)
    running = not spool.over
    spool.give_up()
    return {"id": name, "cancelled": running}


OPS: dict[str, Callable[[Pit, Fields, Say], Coroutine[Any, Any, Any]]] = {
    "detach": _detach,
    "streams": _streams,
    "tail": _tail,
    "wait": _wait,
    "cancel": _cancel,
}
