"""The registry file: one row for each process from before it runs until it is proven dead.

SQLite in WAL mode, `synchronous=FULL`, `locking_mode=EXCLUSIVE`, one connection, opened only by the holder of the
instance's lock. Exclusive mode comes before WAL: it keeps the index in memory (no shared-memory file) and turns a
second opener away. A file that cannot be used is set aside under another name, never deleted (the newest five are
kept); what it held is found again by the environment marker (see warden.reap).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.base.identity import Identity

_SCHEMA = """
CREATE TABLE IF NOT EXISTS process (
    id      TEXT PRIMARY KEY,   -- "default-1", "server", "template:default"
    run     TEXT NOT NULL,      -- run id of the warden that started it
    role    TEXT NOT NULL,      -- server | template | worker
    boot    TEXT, pidns INTEGER, pid INTEGER, start INTEGER,   -- null while only reserved
    created REAL NOT NULL       -- wall clock, for people
)
"""
_KEEP_QUARANTINED = 5
_MAX_PID = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Record:
    id: str
    run: str
    role: str
    identity: Identity | None
    """None: reserved, and the process never passed its gate."""
    created: float


class Registry:
    """Not for use across a fork: the child must not touch it, and goes straight to exec or to its gate."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.quarantined: Path | None = None
        try:
            self._db = _open(path)
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            self.quarantined = _set_aside(path)
            self._db = _open(path)
        self._inode = os.stat(path).st_ino

    def reserve(self, run: str, role: str, ids: Iterable[str]) -> None:
        """Reserves rows for processes that are about to be forked. Not durable by itself: `bind` commits both."""
        self._db.executemany(
            "INSERT OR REPLACE INTO process (id, run, role, created) VALUES (?, ?, ?, ?)",
            [(name, run, role, time.time()) for name in ids],
        )

    def bind(self, identities: Iterable[tuple[str, Identity]]) -> None:
        """Makes the identities durable. When this returns, and not before, the processes may run."""
        self._db.executemany(
            "UPDATE process SET boot = ?, pidns = ?, pid = ?, start = ? WHERE id = ?",
            [(one.boot, one.pidns, one.pid, one.start, name) for name, one in identities],
        )
        failpoint("warden.before-commit")
        self._db.commit()
        failpoint("warden.after-commit")

    def forget(self, ids: Iterable[str]) -> None:
        """Deletes rows on proof of death. May be lost in a crash: the next reap then finds no process there."""
        self._db.executemany("DELETE FROM process WHERE id = ?", [(name,) for name in ids])

    def commit(self) -> None:
        if self._db.in_transaction:
            self._db.commit()

    def records(self) -> Iterator[Record]:
        return _records(self._db)

    def rollback(self) -> None:
        """Discards what was begun, after an error."""
        try:
            self._db.rollback()
        except sqlite3.Error:
            pass  # the file is beyond that, too

    def lost(self) -> bool:
        """The file that we write to is not the one that the next warden will read."""
        try:
            return os.stat(self.path).st_ino != self._inode
        except OSError:
            return True

    def renew(self) -> None:
        """Sets the file aside, if there is one, and begins an empty one. Raises sqlite3.Error, OSError."""
        try:
            self._db.close()
        except sqlite3.Error:
            pass
        if os.path.lexists(self.path):
            self.quarantined = _set_aside(self.path)
        self._db = _open(self.path)
        self._inode = os.stat(self.path).st_ino

    def close(self) -> None:
        self.commit()
        self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=0)
    try:
        failpoint("registry.opened")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # Not quick_check: deleting a row needs an index that agrees with its table.
        if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("integrity_check failed")
        db.execute(_SCHEMA)
        db.commit()
        list(_records(db))
    except BaseException:
        db.close()
        raise
    return db


def _records(db: sqlite3.Connection) -> Iterator[Record]:
    """Raises sqlite3.DatabaseError for a row that we cannot have written: SQLite does not enforce column types."""
    rows = db.execute("SELECT id, run, role, boot, pidns, pid, start, created FROM process ORDER BY created")
    for name, run, role, boot, pidns, pid, start, created in rows.fetchall():
        identity = None if pid is None else Identity(boot, pidns, pid, start)
        texts, numbers = [name, run, role], []
        if identity is not None:
            texts, numbers = [*texts, boot], [pidns, pid, start]
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(n, int) for n in numbers):
            raise sqlite3.DatabaseError("a value of a wrong type")
        if identity is not None and not 0 <= identity.pid <= _MAX_PID:
            raise sqlite3.DatabaseError(f"no pid: {identity.pid}")
        yield Record(name, run, role, identity, created)


def _set_aside(path: Path) -> Path:
    target = path.with_name(f"{path.name}.corrupt-{int(time.time() * 1000)}")
    for suffix in ("-wal", "-shm", ""):
        source = path.with_name(path.name + suffix)
        if os.path.lexists(source):
            source.rename(target.with_name(target.name + suffix))
    older = sorted(path.parent.glob(f"{path.name}.corrupt-*[0-9]"))
    for stale in older[:-_KEEP_QUARANTINED]:
        if not stale.is_dir():
            stale.unlink()
    return target
