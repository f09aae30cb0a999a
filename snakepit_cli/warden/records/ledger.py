"""The warden's record of its children, in memory and durably in the registry. No child runs that is not in both.

A registry that fails while we run (deleted, corrupt, disk error) is set aside, and a new one is written from memory.
The failed file is not tried again: after a failed fsync its content is unknown. When the disk is full, no new process
starts and those that run go on; it works again when there is room.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.records.store import Registry

_FULL = 13
"""SQLITE_FULL."""
Row = tuple[str, str, Identity]
"""Id, role, identity."""


class Ledger:
    def __init__(self, registry: Registry, run: str, note: Callable[[str], None]) -> None:
        self.registry = registry
        self._run = run
        self._note = note
        self._rows: dict[str, Row] = {}

    def register(self, rows: Sequence[Row]) -> None:
        """When this returns, and not before, these processes may run. Raises sqlite3.Error, OSError."""
        self._rows |= {row[0]: row for row in rows}
        try:
            if self.registry.lost():
                self.renew("its file is gone")
            else:
                self._write(rows)
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != _FULL and self._renewed(str(error)):
                return
            for row in rows:
                del self._rows[row[0]]
            raise

    def forget(self, ids: Iterable[str]) -> None:
        """Deletes rows of dead processes. A stale row does no harm, so errors are ignored."""
        names = list(ids)
        for name in names:
            self._rows.pop(name, None)
        try:
            self.registry.forget(names)
        except (sqlite3.Error, OSError):
            self.registry.rollback()

    def renew(self, reason: str) -> None:
        """Raises sqlite3.Error, OSError."""
        self._note(f"the registry cannot be used ({reason}): it is set aside and written anew")
        self.registry.renew()
        self._write(list(self._rows.values()))

    def close(self) -> None:
        try:
            self.registry.close()
        except (sqlite3.Error, OSError) as error:
            self._note(f"the registry cannot be closed: {error}")

    def _renewed(self, reason: str) -> bool:
        try:
            self.renew(reason)
        except (sqlite3.Error, OSError) as error:
            self._note(f"the registry cannot be written anew: {error}")
            return False
        return True

    def _write(self, rows: Sequence[Row]) -> None:
        try:
            for role in {row[1] for row in rows}:
                self.registry.reserve(self._run, role, [row[0] for row in rows if row[1] == role])
            self.registry.bind([(name, identity) for name, _, identity in rows])
        except (sqlite3.Error, OSError):
            self.registry.rollback()
            raise
