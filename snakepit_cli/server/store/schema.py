"""The tables, and the file that they are in."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.store import globs

VERSION = 2
"""2: values of variables may be messages with parts."""
_BUSY_SECONDS = 5.0
"""How long another process, such as a backup, may keep the file locked."""
_CACHE_KIB = 8192
# AUTOINCREMENT: changes outlive their variable, so its number must not be reused.
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value REAL) WITHOUT ROWID;
INSERT INTO facts VALUES ('clock', 0), ('sessions', 0);
CREATE TABLE sessions (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT UNIQUE, created REAL NOT NULL, touched REAL NOT NULL, ttl REAL NOT NULL,
    metadata TEXT NOT NULL, calls INTEGER NOT NULL DEFAULT 0, variables INTEGER NOT NULL DEFAULT 0,
    programs INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, old INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_end ON sessions (touched + ttl) WHERE id IS NOT NULL;
CREATE INDEX sessions_dead ON sessions (n) WHERE id IS NULL;
CREATE TABLE variables (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, value BLOB NOT NULL,
    version INTEGER NOT NULL, constraints TEXT NOT NULL, metadata TEXT NOT NULL, created REAL NOT NULL,
    updated REAL NOT NULL, ttl REAL, stale INTEGER NOT NULL DEFAULT 0, UNIQUE (session, name)
);
CREATE INDEX variables_end ON variables (updated + ttl) WHERE ttl IS NOT NULL;
CREATE TABLE history (
    session INTEGER NOT NULL, revision INTEGER NOT NULL, variable INTEGER NOT NULL, name TEXT NOT NULL,
    event TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL, value BLOB, source TEXT NOT NULL,
    metadata TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (session, revision)
) WITHOUT ROWID;
CREATE INDEX history_versions ON history (variable, version, event);
CREATE TABLE depends (
    session INTEGER NOT NULL, variable INTEGER NOT NULL, source INTEGER NOT NULL, PRIMARY KEY (variable, source)
) WITHOUT ROWID;
CREATE INDEX depends_on ON depends (source);
CREATE INDEX depends_session ON depends (session);
CREATE TABLE programs (
    n INTEGER PRIMARY KEY, session INTEGER NOT NULL, id TEXT NOT NULL, data BLOB NOT NULL, created REAL NOT NULL,
    updated REAL NOT NULL, UNIQUE (session, id)
);
"""


def opened(path: Path, *, synchronous: str = "NORMAL") -> sqlite3.Connection:
    """A connection for one thread. Raises sqlite3.Error, PitError `state_unavailable`.

    In WAL mode with `synchronous=NORMAL` a commit survives the death of any process; a power cut may undo the last
    ones, never a part of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, cached_statements=256)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    db.create_function("matches", 2, globs.matches, deterministic=True)
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise PitError("state_unavailable", f"{path} was written by a newer version of snakepit", hint="use that one")
    if 0 < version < VERSION:
        db.execute(f"PRAGMA user_version={VERSION}")
    if version == 0:
        db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")


def put_back(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Writes what the connection knows into a file of the same name; a connection to that. Raises as `opened`."""
    copy = path.with_name(f"{path.name}.new")
    copy.unlink(missing_ok=True)
    db.execute("VACUUM INTO ?", (str(copy),))
    db.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    copy.rename(path)
    return opened(path)


def set_aside(path: Path) -> Path:
    """Renames a file that is damaged, with what belongs to it; its new name. Raises OSError."""
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    number, aside = 1, path.with_name(stem)
    while aside.exists():
        number, aside = number + 1, path.with_name(f"{stem}-{number}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
