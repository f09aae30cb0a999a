"""Programs: JSON documents under a name, of a session or of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.store.sessions import GLOBAL, Row
from snakepit_cli.server.store.work import Work

_COLUMNS = "n, id, length(data), created, updated, data"


class Program(NamedTuple):
    n: int
    id: str
    size: int
    created: float
    updated: float
    data: bytes | None

    def answer(self, owner: str | None) -> dict[str, Any]:
        """PROGRAM."""
        facts = {
            "id": self.id, "session": owner, "bytes": self.size, "created": self.created, "updated": self.updated,
        }  # fmt: skip
        return facts if self.data is None else {**facts, "data": msgspec.Raw(self.data)}


def find(work: Work, owner: int, name: str) -> Program | None:
    found = work.db.execute(f"SELECT {_COLUMNS} FROM programs WHERE session = ? AND id = ?", (owner, name)).fetchone()
    return None if found is None else Program(*found)


def missing(name: str, session: str | None) -> PitError:
    text = "there is no such global program" if session is None else f"session {session} has no such program"
    return PitError("program_not_found", f"{name}: {text}")


def put(work: Work, row: Row | None, name: str, data: bytes, *, create: bool) -> Program:
    """Of the session, or a global one. Raises PitError `already_exists`, `quota_exceeded`."""
    owner = GLOBAL if row is None else row.n
    known = find(work, owner, name)
    if known is not None and create:
        raise PitError("already_exists", f"{name}: there is such a program")
    grown = len(data) - (known.size if known else 0)
    _check_room(work, row, name, new=known is None, grown=grown)
    work.db.execute(
        "INSERT INTO programs (session, id, data, created, updated) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (session, id) DO UPDATE SET data = excluded.data, updated = excluded.updated",
        (owner, name, data, work.now, work.now),
    )
    _count(work, row, programs=known is None, grown=grown)
    return Program(0, name, len(data), known.created if known else work.now, work.now, None)


def remove(work: Work, row: Row | None, name: str) -> None:
    """Raises PitError `program_not_found`."""
    known = find(work, GLOBAL if row is None else row.n, name)
    if known is None:
        raise missing(name, None if row is None else row.id)
    work.db.execute("DELETE FROM programs WHERE n = ?", (known.n,))
    _count(work, row, programs=-1, grown=-known.size)


def listed(work: Work, owner: int, pattern: str) -> Iterator[Program]:
    """Without their data, the oldest first."""
    rows = work.db.execute(
        "SELECT n, id, length(data), created, updated, NULL FROM programs"
        " WHERE session = ? AND (? = '*' OR matches(id, ?)) ORDER BY n",
        (owner, pattern, pattern),
    )
    return (Program(*one) for one in rows)


def _check_room(work: Work, row: Row | None, name: str, *, new: bool, grown: int) -> None:
    limits = work.limits
    if row is None:
        count, size = work.db.execute(
            "SELECT count(*), coalesce(sum(length(data)), 0) FROM programs WHERE session = ?", (GLOBAL,)
        ).fetchone()
        whose = "global programs"
    else:
        count, size, whose = row.programs, row.bytes, f"session {row.id}"
    if new and count >= limits.max_programs:
        text = f"{whose}: {limits.max_programs:,} programs are allowed ([session] max_programs)"
        raise PitError("quota_exceeded", f"{name}: {text}")
    if grown > 0 and size + grown > limits.max_bytes:
        text = f"{whose} would have {size + grown:,} bytes; {limits.max_bytes:,} are allowed ([session] max_bytes)"
        raise PitError("quota_exceeded", f"{name}: {text}")


def _count(work: Work, row: Row | None, *, programs: int, grown: int) -> None:
    if row is not None:
        work.db.execute(
            "UPDATE sessions SET programs = programs + ?, bytes = bytes + ? WHERE n = ?",
            (programs, grown, row.n),
        )
