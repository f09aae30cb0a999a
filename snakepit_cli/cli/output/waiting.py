"""What a verb waits for, told to a person while it waits: a line that is replaced on a terminal, one line elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from snakepit_cli.base.durations import show
from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.output import live
from snakepit_cli.cli.output.color import enabled
from snakepit_cli.cli.output.messages import Voice, err
from snakepit_cli.cli.output.ticker import Ticker
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared
from snakepit_cli.client.connect.find import find

Pool = dict[str, Any]
Look = Callable[[api.Connection], str]
"""What is left to be done, in words; empty when that is not known."""
_SECONDS = {True: 0.5, False: 5.0}
"""How long nothing is said: on a terminal, elsewhere."""
_PATIENCE = 2.0


class Waiting:
    """Asks the server on a connection of its own how far it is. Nothing is said with --quiet.

    `parting` says what goes on when a person leaves with Ctrl-C.
    """

    def __init__(self, shared: Shared, look: Look, parting: str) -> None:
        self._shared = shared
        self._look = look
        self._parting = parting
        self._started = time.monotonic()
        self._terminal = live.usable()
        self._live: live.Live | None = None
        self._connection: api.Connection | None = None
        self._ticker: Ticker | None = None

    def __enter__(self) -> Waiting:
        sock = None if self._shared.quiet else find(self._shared.instance)
        if sock is not None:
            self._connection = api.Connection(sock)
            self._live = live.Live() if self._terminal else None
            self._ticker = Ticker(self._tick)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._ticker is not None:
            self._ticker.end()
        if self._live is not None:
            self._live.end()
        if self._connection is not None:
            self._connection.close()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            after = "\n" if self._live is None and os.isatty(2) else ""  # the line of `^C`
            Voice(self._shared).note(f"{after}{self._parting}")

    def _tick(self) -> None:
        took = time.monotonic() - self._started
        if took < _SECONDS[self._terminal] or self._connection is None:
            return
        try:
            words = self._look(self._connection)
        except (PitError, OSError, LookupError, ValueError):
            words = ""  # it is ending, or the main thread has closed the connection
        if self._live is not None:
            color = enabled(2, self._shared.color)
            self._live.show([live.Line(words or "waiting for the server", [show(took)], color=color)])
        elif words and self._ticker is not None:
            self._ticker.end()
            err(f"{words} …")


def pool_of(connection: api.Connection, name: str) -> Pool:
    """Raises LookupError."""
    connection.sock.settimeout(_PATIENCE)
    pools: list[Pool] = connection.query("status", patience=_PATIENCE)["pools"]
    return next(pool for pool in pools if pool["name"] == name)


def ready(name: str) -> Look:
    """How many workers are ready."""

    def look(connection: api.Connection) -> str:
        pool = pool_of(connection, name)
        return f"pool {name}: {pool['ready']}/{pool['size']} ready"

    return look


def calls(name: str | None) -> Look:
    """How many calls a pool, or all pools, still have."""

    def look(connection: api.Connection) -> str:
        pools = connection.query("status", patience=_PATIENCE)["pools"]
        mine = [pool for pool in pools if name in {None, pool["name"]}]
        return waiting_for(sum(pool["running"] for pool in mine), sum(pool["queued"] for pool in mine))

    return look


def replaced(name: str, old: set[str]) -> Look:
    """How many of these workers are gone."""

    def look(connection: api.Connection) -> str:
        rows = connection.query("workers", patience=_PATIENCE, pool=name)
        left = [row for row in rows if row["id"] in old]
        done = f"pool {name}: {len(old) - len(left)} of {len(old)} replaced"
        leaving = sum(row["running"] for row in left if row["state"] == "draining")
        return f"{done}, {waiting_for(leaving, 0)}" if leaving else done

    return look


def waiting_for(running: int, queued: int) -> str:
    """Such as `waiting for 1 running and 2 queued calls`."""
    kinds = [f"{number} {kind}" for number, kind in ((running, "running"), (queued, "queued")) if number]
    if not kinds:
        return "waiting for the workers to end"
    return f"waiting for {' and '.join(kinds)} call{'' if (queued or running) == 1 else 's'}"
