"""Requests other than calls: one function for each op, in one table."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.server.instance import Instance
from snakepit_cli.server.ops import guests, pools, state, streams
from snakepit_cli.server.ops.streams import Say
from snakepit_cli.server.pools import usage
from snakepit_cli.server.state.state import Origin
from snakepit_cli.server.workers.warden_link import WardenLink
from snakepit_cli.settings import differences
from snakepit_cli.settings.schema import Settings
from snakepit_cli.wire import ops
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.fields import Op
from snakepit_cli.wire.state import StateOp, ToolServe

_UP_SECONDS = 60.0
_DOWN_SECONDS = 10.0
_WARDEN_SECONDS = 5.0
_ANSWER_SECONDS = 0.01
"""The answer must leave before the warden ends us."""
_NO_JSON = (msgspec.MsgspecError, RecursionError)


async def _unchanged() -> Settings | None:
    """Where no file is looked at."""
    return None


@dataclass
class Desk:
    """What the queries work with."""

    instance: Instance
    warden: WardenLink
    hello: Mapping[str, Any]
    """The warden's first message."""
    connections: set[Any]
    turn_away: Callable[[], None] = field(default=lambda: None)
    """Takes no new connections from now on: they wait for the next server."""
    started: float = field(default_factory=time.monotonic)
    configuration: PitError | None = None
    """What is wrong with the file: the last good settings are in force."""
    read_again: Callable[[], Awaitable[Settings | None]] = _unchanged
    """The settings of the file now; None when they cannot be used."""
    keep: Callable[[Settings], None] = lambda _: None
    """Hands settings on to the next server."""
    settings: Settings = field(init=False)
    """Those that the server has started with."""

    def __post_init__(self) -> None:
        self.settings = self.instance.settings
        self.instance.query = lambda asked: state.answer_worker(self.instance.state, asked)

    async def answer(self, request: ops.Request, say: Say) -> Any:
        """Raises PitError."""
        if isinstance(request, ToolServe):
            return await guests.serve(self.instance, request, say)
        if isinstance(request, StateOp):
            return await state.answer(self.instance.state, request, Origin(), say)
        kind = type(request)
        if (of_pool := pools.OPS.get(kind)) is not None:
            return await of_pool(self.instance, request)
        if (of_stream := streams.OPS.get(kind)) is not None:
            return await of_stream(self.instance, request, say)
        return await _OPS[kind](self, request)


async def _ping(desk: Desk, _: ops.Ping) -> Any:
    return {"version": __version__, "pid": os.getpid(), "warden": desk.hello["warden"]}


async def _status(desk: Desk, _: ops.Status) -> Any:
    instance, now = desk.instance, time.time()
    idle = instance.settings.idle_timeout - (time.monotonic() - instance.last_used)
    return {
        "instance": desk.hello["instance"],
        "version": __version__,
        "uptime": now - desk.hello["started"],
        "warden": {"pid": desk.hello["warden"], "uptime": now - desk.hello["started"]},
        "server": {
            "pid": os.getpid(),
            "uptime": time.monotonic() - desk.started,
            "restarts": desk.hello["restarts"],
        },
        "containment": desk.hello["containment"],
        "state_directory": desk.hello["state"],
        "configuration": None if desk.configuration is None else desk.configuration.as_dict(),
        "outdated": await _outdated(desk),
        "idle_exit": None if instance.pinned else max(0.0, idle),
        "connections": len(desk.connections),
        "pools": [pool.snapshot() for pool in instance.pools.values()],
    }


async def _workers(desk: Desk, request: ops.Workers) -> Any:
    pools = list(desk.instance.pools.values()) if request.pool is None else [desk.instance.running(request.pool)]
    rows = [row for pool in pools for row in pool.worker_rows()]
    used = await asyncio.to_thread(usage.resident, [row["pid"] for row in rows if row["pid"] is not None])
    for row in rows:
        row["memory"] = used.get(row["pid"])
    return rows


async def _commands(desk: Desk, request: ops.Commands) -> Any:
    pool = desk.instance.pool(request.pool)
    if not pool.commands:
        await pool.readiness.some(_UP_SECONDS)
    return {
        "pool": pool.spec.name,
        "adapter": pool.spec.adapter,
        "commands": [_command(command) for command in sorted(pool.commands, key=lambda one: one.name)],
    }


def _command(command: pb.CommandSpec) -> dict[str, Any]:
    return {
        "name": command.name,
        "summary": command.summary,
        "streaming": command.streaming,
        "open": command.open,
        "parameters": [
            {
                "name": one.name,
                "type": one.type,
                "required": one.required,
                "default": _default(one.default_json),
                "summary": one.summary,
            }
            for one in command.parameters
        ],
    }


def _default(text: str) -> Any:
    """As the worker has written it, so that no number changes its form; None when it is no JSON."""
    try:
        msgspec.json.decode(text)
    except _NO_JSON:
        return None
    return msgspec.Raw(text.encode())


async def _outdated(desk: Desk) -> dict[str, Any]:
    """What of the configuration file is not in force."""
    instance = desk.instance
    fresh = await desk.read_again() or instance.settings
    pools = instance.outdated | differences.pools(instance.settings, fresh, instance.pools)
    return {"pools": sorted(pools), "server": differences.server(desk.settings, fresh)}


async def _up(desk: Desk, request: ops.Up) -> Any:
    instance = desk.instance
    if (fresh := await desk.read_again()) is not None and fresh != instance.settings:
        instance.configured(fresh, differences.pools(instance.settings, fresh, instance.pools))
        desk.keep(fresh)
    pool, changed = await instance.operations.run(instance.up(request))
    shot = await pool.settled(request.timeout or _UP_SECONDS) if request.wait else pool.snapshot()
    return {**shot, "changed": changed}


async def _down(desk: Desk, request: ops.Down) -> Any:
    stopped = await desk.instance.operations.run(desk.instance.down(request.pool, _grace(request.timeout)))
    return {"pool": request.pool, "workers": stopped}


async def _shutdown(desk: Desk, request: ops.Shutdown) -> Any:
    if request.if_idle and desk.instance.busy():
        raise PitError("version_skew", f"the server (version {__version__}) has calls to finish")
    if request.if_idle and (kept := desk.instance.kept()):
        raise PitError("version_skew", f"the server (version {__version__}) keeps pools: {', '.join(kept)}")
    return await desk.instance.operations.run(_stop_everything(desk, _grace(request.timeout)))


async def _stop_everything(desk: Desk, grace: float) -> Any:
    pools, workers = await desk.instance.close(grace)
    await desk.instance.state.close()
    asyncio.get_running_loop().call_later(_ANSWER_SECONDS, lambda: desk.warden.send("shutdown", grace=_WARDEN_SECONDS))
    return {"pools": pools, "workers": workers, "warden": desk.hello["warden"]}


async def _restart(desk: Desk, request: ops.Restart) -> Any:
    return await desk.instance.operations.run(_hand_over(desk, _grace(request.timeout)))


async def _hand_over(desk: Desk, grace: float) -> Any:
    """Only the server process ends, when it has no calls any more. The workers stay as they are."""
    desk.turn_away()
    await desk.instance.quiesce(grace)
    await desk.instance.spools.settled()
    await desk.instance.state.close()
    asyncio.get_running_loop().call_later(_ANSWER_SECONDS, lambda: desk.warden.send("restart"))
    pools = desk.instance.pools.values()
    return {"pools": len(pools), "workers": sum(len(pool.workers) for pool in pools), "warden": desk.hello["warden"]}


async def _reap(desk: Desk, request: ops.Reap) -> Any:
    return await desk.instance.operations.run(desk.instance.reap(dry_run=request.dry_run))


def _grace(timeout: float | None) -> float:
    return _DOWN_SECONDS if timeout is None else timeout


_OPS: dict[type[Op], Callable[[Desk, Any], Coroutine[Any, Any, Any]]] = {
    ops.Ping: _ping,
    ops.Status: _status,
    ops.Workers: _workers,
    ops.Commands: _commands,
    ops.Up: _up,
    ops.Down: _down,
    ops.Shutdown: _shutdown,
    ops.Restart: _restart,
    ops.Reap: _reap,
}
