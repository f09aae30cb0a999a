"""State that the warden keeps in memory for the next server.

The workers of a server that died live on. The next server learns their names and tokens from it, expects them to dial
home, and starts only what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.core.events import Gate
from snakepit_cli.launch.plan import Spec
from snakepit_cli.server.pools.pool import Pool
from snakepit_cli.server.workers.warden_link import WardenLink
from snakepit_cli.server.workers.worker import Survivor, Survivors
from snakepit_cli.settings.schema import AdapterSettings

_encode = msgspec.json.Encoder().encode


class Handover:
    """Sends changes to the warden, once for each loop iteration, and only what is new."""

    def __init__(self, warden: WardenLink) -> None:
        self._warden = warden
        self._loop = asyncio.get_running_loop()
        self._changed: dict[str, Pool] = {}
        self._told: dict[str, bytes] = {}

    def changed(self, pool: Pool) -> None:
        if not self._changed:
            self._loop.call_soon(self.tell)
        self._changed[pool.spec.name] = pool

    def tell(self) -> None:
        failpoint("server.memo")
        for name, pool in self._changed.items():
            memo = _of(pool)
            encoded = _encode(memo)
            if encoded != self._told.get(name):
                self._told[name] = encoded
                self._warden.send("memo", pool=name, memo=memo)
        self._changed.clear()


def _of(pool: Pool) -> dict[str, Any] | None:
    """None for a pool that is being stopped: what is left of it ends with us."""
    shot = pool.snapshot()
    if shot["state"] in {"draining", "drained"}:
        return None
    return {
        "spec": {**msgspec.to_builtins(pool.spec), "size": shot["size"]},
        "next": pool.next_worker,
        "start": shot["start"],
        "note": shot["note"],
        "gate": pool.gate.value,
        "generation": pool.generation,
        "workers": [
            [one.id, one.token, one.pid, one.requests, one.started, one.generation]
            for one in pool.workers.values()
            if one.asked
        ],
    }


def recalled(memo: Mapping[str, Any], alive: set[str], *, template: bool) -> tuple[Spec, Survivors]:
    """A pool of the server before us, and what of it lives."""
    custom = memo["spec"]["custom"]
    spec = Spec(**{**memo["spec"], "custom": None if custom is None else msgspec.convert(custom, AdapterSettings)})
    # A program that talks by lines has lost us with its input: it is on its way out.
    workers = [Survivor(*fields) for fields in memo["workers"] if fields[0] in alive and spec.dialect is None]
    # A template that was not ready yet, or is gone, is asked for again when a worker is wanted.
    start = None if memo["start"] == "template" and not template else memo["start"]
    return spec, Survivors(workers, memo["next"], start, memo["note"], Gate(memo["gate"]), memo.get("generation", 0))
