"""What one job works with, and what it has changed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from snakepit_cli.server.store import arrays
from snakepit_cli.server.store.touches import Touches
from snakepit_cli.settings.schema import SessionSettings


class Change(NamedTuple):
    """A change of a variable: a row of the history, and what watchers are told."""

    session: str
    revision: int
    name: str
    event: str
    version: int
    type: str
    value: bytes | None
    source: str
    metadata: str
    at: float

    def answer(self) -> dict[str, Any]:
        value = None if self.value is None else msgspec.Raw(arrays.as_json(self.type, self.value))
        return {
            "revision": self.revision, "name": self.name, "event": self.event, "version": self.version,
            "type": self.type, "value": value,
            "source": self.source, "metadata": msgspec.Raw(self.metadata.encode()), "at": self.at,
        }  # fmt: skip


@dataclass(slots=True)
class Work:
    """One job. `source` says who asked: "client", or the id of a worker."""

    db: sqlite3.Connection
    now: float
    limits: SessionSettings
    touches: Touches
    source: str
    changes: list[Change] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Sessions that are not there any more."""
    created: int = 0
    """How many sessions are new."""
