"""Older versions of variables: kept up to a number for each variable, and up to a number of bytes for each session."""

from __future__ import annotations

from typing import Any, NamedTuple

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.store.sessions import Row
from snakepit_cli.server.store.work import Change, Work

_COLUMNS = "revision, name, event, version, type, value, source, metadata, at"
VALUES = "('register', 'set', 'rollback')"
"""Events that are versions."""


class Dropped(NamedTuple):
    """Older versions that were removed."""

    bytes: int = 0
    latest: int = 0
    """The latest revision of them."""


def append(work: Work, row: Row, variable: int, change: Change) -> Dropped:
    """Writes a change; returns what was removed to make room for it."""
    work.db.execute(
        "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row.n, change.revision, variable, change.name, change.event, change.version, change.type, change.value,
         change.source, change.metadata, change.at),
    )  # fmt: skip
    work.changes.append(change)
    dropped = Dropped()
    # Not with each version: it would double what a write costs.
    last = change.version - work.limits.history
    if last >= 0 and change.version % max(1, work.limits.history // 16) == 0:
        dropped = _drop(work, "variable = ? AND version <= ?", (variable, last), dropped)
    beyond = row.old + len(change.value or b"") - dropped.bytes - work.limits.max_bytes
    if beyond > 0:
        last = _oldest(work, row, beyond, change.revision)
        dropped = _drop(work, "session = ? AND revision <= ?", (row.n, last), dropped)
    return dropped


def _drop(work: Work, where: str, values: tuple[Any, ...], before: Dropped) -> Dropped:
    size, latest = work.db.execute(
        f"SELECT coalesce(sum(length(value)), 0), coalesce(max(revision), 0) FROM history WHERE {where}", values
    ).fetchone()
    work.db.execute(f"DELETE FROM history WHERE {where}", values)
    return Dropped(before.bytes + size, max(before.latest, latest))


def _oldest(work: Work, row: Row, beyond: int, newest: int) -> int:
    """The last of the changes of a session that must go to free this number of bytes; the newest stays."""
    freed, last = 0, -1
    for revision, size in work.db.execute(
        "SELECT revision, coalesce(length(value), 0) FROM history WHERE session = ? AND revision < ? ORDER BY revision",
        (row.n, newest),
    ):
        freed, last = freed + size, revision
        if freed >= beyond:
            break
    return last


def of_variable(work: Work, session: str, variable: int, limit: int) -> list[Change]:
    """The latest changes of a variable, the oldest first."""
    rows = work.db.execute(
        f"SELECT {_COLUMNS} FROM history WHERE variable = ? ORDER BY version DESC, revision DESC LIMIT ?",
        (variable, limit),
    ).fetchall()
    return [Change(session, *row) for row in reversed(rows)]


def version(work: Work, session: str, variable: int, name: str, number: int) -> Change:
    """A version of a variable. Raises PitError `history_lost`, `invalid_value`."""
    row = work.db.execute(
        f"SELECT {_COLUMNS} FROM history WHERE variable = ? AND version = ? AND event IN {VALUES}", (variable, number)
    ).fetchone()
    if row is not None:
        return Change(session, *row)
    (newest,) = work.db.execute("SELECT version FROM variables WHERE n = ?", (variable,)).fetchone()
    if number > newest:
        raise PitError("invalid_value", f"{name}: there is no version {number}; the latest is {newest}")
    raise PitError("history_lost", f"{name}: version {number} is not kept any more")


def since(work: Work, row: Row, after: int, limit: int, room: int = 1 << 30) -> list[Change]:
    """Changes of a session after a revision: at most `limit`, and no more when they have `room` bytes.

    Raises PitError `history_lost`, `invalid_value`.
    """
    if after > row.revision:
        raise PitError("invalid_value", f"session {row.id} has no change {after} yet; the latest is {row.revision}")
    if after < row.lost:
        raise PitError("history_lost", f"session {row.id}: changes up to {row.lost} are not kept any more")
    rows = work.db.execute(
        f"SELECT {_COLUMNS} FROM history WHERE session = ? AND revision > ? ORDER BY revision LIMIT ?",
        (row.n, after, limit),
    )
    found: list[Change] = []
    for one in rows:
        found.append(Change(row.id, *one))
        room -= len(found[-1].value or b"")
        if room <= 0:
            break
    rows.close()
    return found
