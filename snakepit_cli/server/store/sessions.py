"""Rows of sessions: found, created, ended. An expired session is never found."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.store.touches import Touch
from snakepit_cli.server.store.work import Work

GLOBAL = 0
"""Instead of a session: what belongs to none."""
SHORTEST = 1.0
"""Seconds that a session is kept at least."""
_MOST_METADATA = 4096
_SLICE = 400
"""Rows removed in one job: others come in between."""
_COLUMNS = "n, id, created, touched, ttl, metadata, calls, variables, programs, bytes, old, revision, lost"


class Row(NamedTuple):
    n: int
    id: str
    created: float
    touched: float
    ttl: float
    metadata: str
    calls: int
    variables: int
    programs: int
    bytes: int
    old: int
    """Bytes of older versions, and of the newest ones once more."""
    revision: int
    """Counts the changes of its variables."""
    lost: int
    """The latest change that is not kept any more."""


def find(work: Work, session: str) -> Row | None:
    """The session; restarts its time to live. None when there is none."""
    row = look(work, session)
    if row is not None:
        work.touches.note(session, work.now)
    return row


def look(work: Work, session: str) -> Row | None:
    """The session; does not restart its time to live. None when there is none."""
    found = work.db.execute(f"SELECT {_COLUMNS} FROM sessions WHERE id = ?", (session,)).fetchone()
    if found is None:
        return None
    row = Row(*found)
    if work.touches.last(session, row.touched, row.ttl) + row.ttl <= work.now:
        return None
    return row


def get(work: Work, session: str) -> Row:
    """Raises PitError `session_not_found`."""
    if (row := find(work, session)) is None:
        raise missing(session)
    return row


def missing(session: str) -> PitError:
    if not session:
        return PitError("usage", "no session is named", hint="name one with --session or SNAKEPIT_SESSION")
    return PitError("session_not_found", f"no session {session!r}: it was never created, or it has expired")


def need(work: Work, session: str) -> Row:
    """The session, created with the defaults when there is none. Raises PitError."""
    if not session:
        get(work, session)
    return find(work, session) or create(work, session)


def create(work: Work, session: str = "", ttl: float | None = None, metadata: Mapping[str, Any] | None = None) -> Row:
    """A session that does not exist. Raises PitError."""
    name = session or f"s-{secrets.token_hex(6)}"
    ttl = work.limits.ttl if ttl is None else checked_ttl(ttl)
    text = merged("{}", metadata)
    end(work, name)  # an expired one
    if _is_full(work):
        sweep(work)
    if _is_full(work):
        raise PitError("quota_exceeded", f"{work.limits.max_sessions:,} sessions are allowed ([session] max_sessions)")
    calls = work.touches.calls(name)  # those that make it
    work.touches.forget(name)
    cursor = work.db.execute(
        "INSERT INTO sessions (id, created, touched, ttl, metadata, calls) VALUES (?, ?, ?, ?, ?, ?)",
        (name, work.now, work.now, ttl, text, calls),
    )
    _count(work, 1)
    work.created += 1
    return Row(int(cursor.lastrowid or 0), name, work.now, work.now, ttl, text, 0, 0, 0, 0, 0, 0, 0)


def _is_full(work: Work) -> bool:
    (count,) = work.db.execute("SELECT value FROM facts WHERE name = 'sessions'").fetchone()
    return bool(count >= work.limits.max_sessions)


def _count(work: Work, change: int) -> None:
    work.db.execute("UPDATE facts SET value = value + ? WHERE name = 'sessions'", (change,))


def checked_ttl(ttl: float) -> float:
    if ttl < SHORTEST:
        raise PitError("usage", f"a session is kept for at least {SHORTEST:.0f} second, not {ttl:g}")
    return ttl


def merged(text: str, changes: Mapping[str, Any] | None) -> str:
    """Metadata with these entries; those that are null are removed. Raises PitError."""
    if not changes:
        return text
    both = {**json.loads(text), **changes}
    return metadata({name: value for name, value in both.items() if value is not None})


def metadata(facts: Mapping[str, Any] | None) -> str:
    """As it is kept. Raises PitError `quota_exceeded`."""
    text = msgspec.json.encode(dict(facts or {}))
    if len(text) > _MOST_METADATA or len(facts or {}) > 32:
        raise PitError(
            "quota_exceeded", f"metadata may have 32 entries and {_MOST_METADATA:,} bytes, not {len(text):,}"
        )
    return text.decode()


def update(work: Work, row: Row, ttl: float | None, changes: Mapping[str, Any] | None) -> None:
    """Raises PitError."""
    work.db.execute(
        "UPDATE sessions SET touched = ?, ttl = ?, metadata = ? WHERE n = ?",
        (work.now, row.ttl if ttl is None else checked_ttl(ttl), merged(row.metadata, changes), row.n),
    )


def end(work: Work, session: str) -> bool:
    """Whether there was one. What is in it is not found any more, and removed later, by `purge`."""
    row = work.db.execute("SELECT n FROM sessions WHERE id = ?", (session,)).fetchone()
    if row is None:
        return False
    work.db.execute("UPDATE sessions SET id = NULL WHERE n = ?", row)
    _count(work, -1)
    work.touches.forget(session)
    work.ended.append(session)
    return True


def sweep(work: Work, most: int = _SLICE) -> int:
    """Ends up to `most` expired sessions; how many."""
    overdue = work.db.execute(
        "SELECT id, touched, ttl FROM sessions WHERE id IS NOT NULL AND touched + ttl <= ? LIMIT ?", (work.now, most)
    ).fetchall()
    return sum(
        work.touches.last(name, touched, ttl) + ttl <= work.now and end(work, name) for name, touched, ttl in overdue
    )


def flush(work: Work, touches: Mapping[str, Touch]) -> None:
    """Writes down when sessions were used. A use after the end of a session does not bring it back."""
    work.db.executemany(
        "UPDATE sessions SET touched = max(touched, ?), calls = calls + ? WHERE id = ? AND touched + ttl > ?",
        [(one.last, one.calls, name, one.first) for name, one in touches.items()],
    )
    work.db.execute("UPDATE facts SET value = ? WHERE name = 'clock'", (work.now,))


def purge(work: Work) -> bool:
    """Removes a slice of what is left of ended sessions; whether there may be more."""
    dead = work.db.execute("SELECT n FROM sessions WHERE id IS NULL LIMIT ?", (_SLICE,)).fetchall()
    left = _SLICE
    for (n,) in dead:
        for statement in _PURGE:
            left -= max(0, work.db.execute(statement, (n, left)).rowcount)
            if left <= 0:
                return True
        work.db.execute("DELETE FROM sessions WHERE n = ?", (n,))
        left -= 1
        if left <= 0:
            return True
    return False


_PURGE = (
    (
        "DELETE FROM history WHERE (session, revision) IN"
        " (SELECT session, revision FROM history WHERE session = ? LIMIT ?)"
    ),
    "DELETE FROM depends WHERE (variable, source) IN (SELECT variable, source FROM depends WHERE session = ? LIMIT ?)",
    "DELETE FROM variables WHERE n IN (SELECT n FROM variables WHERE session = ? LIMIT ?)",
    "DELETE FROM programs WHERE n IN (SELECT n FROM programs WHERE session = ? LIMIT ?)",
)


def page(work: Work, pattern: str, after: int, limit: int) -> list[Row]:
    """Live sessions in the order of their creation."""
    rows: list[Row] = []
    for found in work.db.execute(
        f"SELECT {_COLUMNS} FROM sessions WHERE id IS NOT NULL AND n > ? AND (? = '*' OR matches(id, ?)) ORDER BY n",
        (after, pattern, pattern),
    ):
        row = Row(*found)
        if work.touches.last(row.id, row.touched, row.ttl) + row.ttl > work.now:
            rows.append(row)
            if len(rows) == limit:
                break
    return rows


def answer(work: Work, row: Row) -> dict[str, Any]:
    """SESSION, but for what others know: its worker and its tools."""
    left = min(work.now, work.touches.last(row.id, row.touched, row.ttl)) + row.ttl - work.now
    return {
        "id": row.id, "created": row.created, "age": work.now - row.created, "ttl": row.ttl, "left": left,
        "calls": row.calls + work.touches.calls(row.id), "variables": row.variables, "programs": row.programs,
        "bytes": row.bytes, "revision": row.revision, "metadata": msgspec.Raw(row.metadata.encode()),
    }  # fmt: skip


def totals(work: Work) -> dict[str, Any]:
    """Counts of what is stored, expired or not."""
    count, variables, programs, size = work.db.execute(
        "SELECT count(*), coalesce(sum(variables), 0), coalesce(sum(programs), 0), coalesce(sum(bytes), 0)"
        " FROM sessions WHERE id IS NOT NULL"
    ).fetchone()
    (everywhere,) = work.db.execute("SELECT count(*) FROM programs WHERE session = ?", (GLOBAL,)).fetchone()
    return {
        "sessions": count, "variables": variables, "programs": programs, "global_programs": everywhere, "bytes": size,
    }  # fmt: skip


def clock(db: sqlite3.Connection) -> float:
    """The latest time that was written down."""
    row = db.execute("SELECT value FROM facts WHERE name = 'clock'").fetchone()
    return 0.0 if row is None else float(row[0])
