"""The server put together: the only place where its parts meet."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.launch import plan
from snakepit_cli.server import configuration
from snakepit_cli.server.calls.spool import Spools
from snakepit_cli.server.doors.front import Connection
from snakepit_cli.server.doors.front_socket import Door
from snakepit_cli.server.instance import Instance
from snakepit_cli.server.listeners import Listeners
from snakepit_cli.server.ops.instance import Desk
from snakepit_cli.server.pools import liveness, recycling
from snakepit_cli.server.segments import Segments
from snakepit_cli.server.state.state import State
from snakepit_cli.server.workers.warden_link import WardenLink, first_message
from snakepit_cli.settings import differences

_IDLE_CHECK_SECONDS = 30.0
_WARDEN_SECONDS = 5.0
_TICK_SECONDS = 1.0
_TURNS = 3
_SLOW_SECONDS = 0.05
"""With PYTHONASYNCIODEBUG, callbacks that take longer are logged."""
_RUBBISH = 20_000
"""Allocations between garbage collections: hundreds of calls in flight are not cycles."""


async def serve() -> None:
    """Runs until the warden ends us. The warden passed two descriptors: its control pipe and the front socket."""
    faulthandler.enable()
    control = socket.socket(fileno=int(os.environ.pop("SNAKEPIT_CONTROL_FD")))
    listener = socket.socket(fileno=int(os.environ.pop("SNAKEPIT_FRONT_FD")))
    for inherited in (control, listener):
        inherited.set_inheritable(False)
    hello = first_message(control)
    memos = [first_message(control) for _ in range(hello["pools"])]
    failpoint("server.hello")
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = _SLOW_SECONDS

    def reported(message: dict[str, Any]) -> None:
        if message["event"] == "drain":
            tasks.add(loop.create_task(_end(instance, warden, float(message["grace"]))))
        elif message["event"] == "sockets":
            tasks.add(loop.create_task(listeners.anew(message.get("listener"))))
        else:
            instance.reported(message)

    tasks: set[asyncio.Task[None]] = set()
    warden = WardenLink(control, reported)
    try:
        settings, broken = configuration.current(memos)
    except PitError as error:
        warden.send("failed", error=error.as_dict())
        warden.listen()
        await loop.create_future()  # the warden ends us
        return
    configuration.keep(settings, warden)
    # The template takes as long to load as the gateway: side by side they take as long as one.
    warden.send("base", **plan.base_template(hello["instance"], os.environ))
    spools = Spools(Path(hello["state"]) / "streams", settings.spool_max_bytes, settings.spool_keep)
    await asyncio.to_thread(spools.recall)
    state = State(Path(hello["state"]) / "sessions.db", settings.session)
    instance = Instance(hello["instance"], hello["gateway"], settings, warden, spools, state,
                        Segments.of(hello["segments"], settings.shared_memory_bytes))  # fmt: skip
    connections: set[Connection] = set()
    desk = Desk(instance, warden, hello, connections, configuration=broken, read_again=configuration.read_again,
                keep=lambda found: configuration.keep(found, warden))  # fmt: skip
    door = Door(lambda: Connection(instance, desk.answer, connections))
    listeners = Listeners(instance, hello["gateway"], door)
    # Before the gateway is there: a worker that dials in and is not known is turned away for good.
    instance.recall(hello, configuration.of_pools(memos))
    await listeners.let_workers_in()
    failpoint("server.gateway")
    await door.open(listener)
    desk.turn_away = door.shut
    # The warden stops us; by hand we are stopped like a crash, and it starts another.
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    # Not before `recall`: the deaths of workers that `hello` has named would be about pools that there are not yet.
    warden.listen()
    if (before := configuration.before(memos)) is not None:
        instance.outdated = differences.pools(before, settings, instance.pools)
    # What exists now stays: the collector need not look at it again. A call's objects are freed by reference counting.
    gc.freeze()
    gc.set_threshold(_RUBBISH, 20, 20)
    failpoint("server.ready")
    warden.send("ready")
    for watch in (
        _tick(warden),
        liveness.watch(instance.everything),
        recycling.watch(lambda: list(instance.pools.values())),
        state.watch(),
        _watch_idleness(instance, warden, connections, door),
    ):
        tasks.add(loop.create_task(watch))
    await loop.create_future()  # the warden ends us


async def _end(instance: Instance, warden: WardenLink, grace: float) -> None:
    failpoint("server.drain")
    await instance.close(grace)
    await instance.state.close()
    warden.send("shutdown", grace=_WARDEN_SECONDS)


async def _tick(warden: WardenLink) -> None:
    """Tells the warden that the event loop comes round: a loop that is stuck is ended."""
    while True:
        failpoint("server.tick")
        warden.send("tick")
        await asyncio.sleep(_TICK_SECONDS)


async def _watch_idleness(instance: Instance, warden: WardenLink, connections: set[Connection], door: Door) -> None:
    """Ends a server that was not asked for by name and is not used."""
    timeout = instance.settings.idle_timeout
    while True:
        await asyncio.sleep(min(_IDLE_CHECK_SECONDS, timeout / 4))
        if instance.busy() or connections:
            instance.last_used = time.monotonic()
        elif not instance.pinned and time.monotonic() - instance.last_used > timeout:
            if await leave(instance, connections, door):
                warden.send("shutdown", grace=_WARDEN_SECONDS)
                return
            instance.last_used = time.monotonic()


async def leave(instance: Instance, connections: set[Connection], door: Door) -> bool:
    """Shuts the door, then stops the pools. False when a client came meanwhile: it is let in, and starts its pool."""
    door.shut()
    for _ in range(_TURNS):
        await asyncio.sleep(0)  # those that were let in already are seen
    if not connections and not instance.busy():
        await instance.empty(0.0)
        if not connections and not door.knocked():
            return True
    await door.open()
    return False
