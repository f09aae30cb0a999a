"""What a client may ask besides calls: one function for each `op`, in one table."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.server import family, pool_queries, stream_queries
from snakepit_cli.server.pit import Pit
from snakepit_cli.server.stream_queries import Say
from snakepit_cli.server.warden import WardenLink
from snakepit_cli.wire import worker_pb2 as pb

_UP_SECONDS = 60.0
_DOWN_SECONDS = 10.0
_WARDEN_SECONDS = 5.0
_LONGEST_SECONDS = 1e9
_NO_JSON = (msgspec.MsgspecError, RecursionError)

Fields = dict[str, Any]


@dataclass
class Desk:
    """What the queries work with."""

    pit: Pit
    warden: WardenLink
    hello: Mapping[str, Any]
    """The warden's first message."""
    connections: set[Any]
    turn_away: Callable[[], None] = field(default=lambda: None)
    """Takes no new connections from now on: they wait for the next server."""
    started: float = field(default_factory=time.monotonic)

    async def answer(self, fields: Fields, say: Say) -> Any:
        """Raises PitError."""
        name = str(fields.get("op"))
        op, of_pool, of_stream = _OPS.get(name), pool_queries.OPS.get(name), stream_queries.OPS.get(name)
        try:
            if op is not None:
                return await op(self, fields)
            fields = {**fields, "timeout": _seconds(fields)}
            if of_pool is not None:
                return await of_pool(self.pit, fields)
            if of_stream is not None:
                return await of_stream(self.pit, fields, say)
        except (KeyError, TypeError, ValueError) as error:
            raise PitError("usage", f"malformed query {name}: {error!r}") from error
        raise PitError("usage", f"no query {name!r}")


async def _ping(desk: Desk, _: Fields) -> Any:
    return {"version": __version__, "pid": os.getpid(), "warden": desk.hello["warden"]}


async def _status(desk: Desk, _: Fields) -> Any:
    pit, now = desk.pit, time.time()
    idle = pit.settings.idle_timeout - (time.monotonic() - pit.last_used)
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
        "idle_exit": None if pit.pinned else max(0.0, idle),
        "connections": len(desk.connections),
        "pools": [pool.snapshot() for pool in pit.pools.values()],
    }


async def _workers(desk: Desk, fields: Fields) -> Any:
    wanted = fields.get("pool")
    if wanted is not None and wanted not in desk.pit.pools:
        raise PitError("pool_not_found", f"no pool {wanted!r} is running")
    rows = [row for name, pool in desk.pit.pools.items() if wanted in {None, name} for row in pool.worker_rows()]
    for row in rows:
        row["memory"] = None if row["pid"] is None else family.resident(row["pid"])
    return rows


async def _commands(desk: Desk, fields: Fields) -> Any:
    pool = desk.pit.pool(fields.get("pool") or "default")
    if not pool.commands:
        await pool.any_attached(_UP_SECONDS)
    return {
        "pool": pool.spec.name,
        "adapter": pool.spec.adapter,
        "commands": [_command(command) for command in sorted(pool.commands, key=lambda one: one.name)],
    }


def _command(command: pb.CommandSpec) -> Fields:
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


async def _up(desk: Desk, fields: Fields) -> Any:
    name = fields.get("pool") or "default"
    timeout = _seconds(fields)
    adapter, cwd, env = fields.get("adapter"), fields["cwd"], dict(fields["env"])
    _check_texts(name, cwd, "" if adapter is None else adapter, *env, *env.values())
    known = desk.pit.pools.get(name)
    if known is not None and known.snapshot()["state"] == "draining":
        await known.drained.wait()
        await asyncio.sleep(0)  # whoever stopped it takes it off the list first
    pool, changed = desk.pit.up(
        name,
        adapter=adapter,
        size=fields.get("size"),
        cwd=cwd,
        env=env,
        startup=timeout,
        capacity=fields.get("capacity"),
        spare=fields.get("spare"),
        contain=fields.get("contain"),
    )
    shot = await pool.settled(timeout or _UP_SECONDS) if fields["wait"] else pool.snapshot()
    return {**shot, "changed": changed}


async def _down(desk: Desk, fields: Fields) -> Any:
    name = fields["pool"]
    return {"pool": name, "workers": await desk.pit.down(name, _grace(fields))}


async def _shutdown(desk: Desk, fields: Fields) -> Any:
    if fields.get("if_idle") and desk.pit.busy():
        raise PitError("version_skew", f"the server (version {__version__}) has calls to finish")
    pools, workers = await desk.pit.close(_grace(fields))
    # The answer must leave before the warden ends us.
    asyncio.get_running_loop().call_later(0.01, lambda: desk.warden.send("shutdown", grace=_WARDEN_SECONDS))
    return {"pools": pools, "workers": workers, "warden": desk.hello["warden"]}


async def _restart(desk: Desk, fields: Fields) -> Any:
    """Only the server process ends, when it has no calls any more. The workers stay as they are."""
    grace = _grace(fields)
    desk.turn_away()
    await desk.pit.quiesce(grace)
    asyncio.get_running_loop().call_later(0.01, lambda: desk.warden.send("restart"))
    pools = desk.pit.pools.values()
    return {"pools": len(pools), "workers": sum(len(pool.workers) for pool in pools), "warden": desk.hello["warden"]}


async def _reap(desk: Desk, fields: Fields) -> Any:
    return await desk.pit.reap(dry_run=bool(fields["dry_run"]))


def _grace(fields: Fields) -> float:
    timeout = _seconds(fields)
    return _DOWN_SECONDS if timeout is None else timeout


def _seconds(fields: Fields) -> float | None:
    """Raises ValueError, TypeError for what no timer can take."""
    timeout = fields.get("timeout")
    if timeout is None:
        return None
    if isinstance(timeout, str) or not 0 <= timeout <= _LONGEST_SECONDS:
        raise ValueError(f"timeout: {timeout!r}")
    return float(timeout)


def _check_texts(*values: Any) -> None:
    """Raises TypeError, ValueError for what cannot be a file name or a variable of an environment."""
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no text")
        if "\0" in value:
            raise ValueError("a NUL in a text")


_OPS: dict[str, Callable[[Desk, Fields], Coroutine[Any, Any, Any]]] = {
    "ping": _ping,
    "status": _status,
    "workers": _workers,
    "commands": _commands,
    "up": _up,
    "down": _down,
    "shutdown": _shutdown,
    "restart": _restart,
    "reap": _reap,
}
