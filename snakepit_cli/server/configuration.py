"""The settings of a server: those of the file, or, when a later server finds it broken, the last good ones.

The warden keeps those with the memos of the pools, under a name that no pool can have.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.workers.warden_link import WardenLink
from snakepit_cli.settings import load
from snakepit_cli.settings.schema import Settings

Handover = Mapping[str, Any]
_NAME = "=settings"


def of_pools(memos: Sequence[Handover]) -> list[Handover]:
    return [one for one in memos if one["pool"] != _NAME]


def current(memos: Sequence[Handover]) -> tuple[Settings, PitError | None]:
    """With what is wrong with the file. Raises PitError when no server before had good settings."""
    try:
        return load.load(), None
    except PitError as error:
        last = before(memos)
        if last is None:
            raise
        print(f"going on with the last good settings: {error}", file=sys.stderr, flush=True)
        return last, error


def before(memos: Sequence[Handover]) -> Settings | None:
    """Those of the server before us."""
    last = next((one["memo"] for one in memos if one["pool"] == _NAME), None)
    return None if last is None else msgspec.convert(last, Settings)


async def read_again() -> Settings | None:
    """Those of the file now; None while it is broken."""
    try:
        return await asyncio.to_thread(load.load)
    except PitError:
        return None


def keep(found: Settings, warden: WardenLink) -> None:
    """For the next server."""
    try:
        warden.send("memo", pool=_NAME, memo=msgspec.to_builtins(found))
    except Exception as error:  # noqa: BLE001 — too large; the next server needs a good file then
        print(f"the settings are not kept: {error}", file=sys.stderr, flush=True)
