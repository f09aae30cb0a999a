"""Variables of a session: read, written, removed. Every write goes through `Writer`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.store import arrays, history, sessions, values
from snakepit_cli.server.store.sessions import Row
from snakepit_cli.server.store.values import InvalidValueError
from snakepit_cli.server.store.work import Change, Work
from snakepit_cli.wire.binary import Buffer, is_message

_COLUMNS = "n, name, type, value, version, constraints, metadata, created, updated, ttl, stale"
_LIVE = "(ttl IS NULL OR updated + ttl > ?)"


class Variable(NamedTuple):
    n: int
    name: str
    type: str
    value: bytes
    version: int
    constraints: str
    metadata: str
    created: float
    updated: float
    ttl: float | None
    stale: int


_ID = re.compile(r"var_(.+)_([1-9]\d{0,17})", re.DOTALL)


def find(work: Work, row: Row, name: str) -> Variable | None:
    """By its name or its id."""
    found = _row(work, row, name)
    return None if found is None or not _is_live(found, work.now) else found


def _row(work: Work, row: Row, name: str) -> Variable | None:
    query = f"SELECT {_COLUMNS} FROM variables WHERE session = ? AND name = ?"
    found = work.db.execute(query, (row.n, name)).fetchone()
    if found is None and (known := _ID.fullmatch(name)):
        found = work.db.execute(f"{query} AND n = ?", (row.n, known[1], int(known[2]))).fetchone()
    return None if found is None else Variable(*found)


def _is_live(variable: Variable, now: float) -> bool:
    return variable.ttl is None or variable.updated + variable.ttl > now


def get(work: Work, row: Row, name: str) -> Variable:
    """Raises PitError `variable_not_found`."""
    if (found := find(work, row, name)) is None:
        raise missing(name, row.id)
    return found


def missing(name: str, session: str) -> PitError:
    return PitError("variable_not_found", f"{name}: session {session} has no such variable")


def listed(work: Work, row: Row, pattern: str) -> Iterator[Variable]:
    """The oldest first."""
    rows = work.db.execute(
        f"SELECT {_COLUMNS} FROM variables WHERE session = ? AND {_LIVE} AND (? = '*' OR matches(name, ?)) ORDER BY n",
        (row.n, work.now, pattern, pattern),
    )
    return (Variable(*one) for one in rows)


def answer(
    work: Work, variable: Variable, graph: Mapping[int, list[str]] | None = None, parts: list[Buffer] | None = None
) -> dict[str, Any]:
    """VARIABLE. `graph`: that of the session, for callers that answer many. With `parts`, those of its value are added
    to these; otherwise it is JSON."""
    kept = variable.value
    value = arrays.as_json(variable.type, kept) if parts is None else arrays.placed(kept, parts)
    on = depends(work, variable.n) if graph is None else graph.get(variable.n, [])
    return {
        "id": f"var_{variable.name}_{variable.n}", "name": variable.name, "type": variable.type,
        "value": msgspec.Raw(value), "version": variable.version,
        "constraints": msgspec.Raw(variable.constraints.encode()),
        "metadata": msgspec.Raw(variable.metadata.encode()), "depends": on,
        "stale": bool(variable.stale), "created": variable.created, "updated": variable.updated, "ttl": variable.ttl,
    }  # fmt: skip


def depends(work: Work, variable: int) -> list[str]:
    """Names of the variables that it depends on."""
    found = work.db.execute(
        "SELECT name FROM depends JOIN variables ON variables.n = depends.source WHERE depends.variable = ? ORDER BY 1",
        (variable,),
    )
    return [name for (name,) in found]


def graph(work: Work, row: Row) -> dict[int, list[str]]:
    """Of a session: number of a variable → names of those that it depends on."""
    found: dict[int, list[str]] = {}
    for variable, name in work.db.execute(
        "SELECT variable, name FROM depends JOIN variables ON variables.n = depends.source"
        " WHERE depends.session = ? ORDER BY 2",
        (row.n,),
    ):
        found.setdefault(variable, []).append(name)
    return found


class Writer:
    """Writes to one session; `close` writes its own row."""

    def __init__(self, work: Work, row: Row) -> None:
        self.work = work
        self.row = row

    def register(
        self,
        name: str,
        type_: str,
        value: bytes | msgspec.Raw,
        *,
        constraints: Mapping[str, Any],
        metadata: Mapping[str, Any],
        ttl: float | None = None,
        replace: bool = False,
    ) -> Variable:
        """A new variable, version 0. Raises PitError `invalid_value`, `already_exists`, `quota_exceeded`."""
        if type_ not in values.TYPES:
            raise PitError("invalid_value", f"{name}: unknown type {type_!r} (known: {', '.join(values.TYPES)})")
        if ttl is not None and ttl <= 0:
            raise PitError("usage", f"{name}: `ttl` must be above 0, not {ttl:g}")
        fit = _fitting(name, type_, value, constraints, new=True)
        known = self._find(name)
        if known is not None and not replace:
            raise PitError("already_exists", f"{name}: session {self.row.id} has such a variable, of type {known.type}")
        self._room(name, fit, known)
        now, facts = self.work.now, sessions.metadata(metadata)
        rules = msgspec.json.encode(dict(constraints)).decode()
        if known is None:
            row = self.work.db.execute(
                "INSERT INTO variables"
                " (session, name, type, value, version, constraints, metadata, created, updated, ttl)"
                f" VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}",
                (self.row.n, name, type_, fit, rules, facts, now, now, ttl),
            ).fetchone()
        else:
            row = self.work.db.execute(
                "UPDATE variables SET type = ?, value = ?, version = version + 1, constraints = ?, metadata = ?,"
                f" updated = ?, ttl = ?, stale = 0 WHERE n = ? RETURNING {_COLUMNS}",
                (type_, fit, rules, facts, now, ttl, known.n),
            ).fetchone()
        variable = Variable(*row)
        self._count(variables=known is None, bytes=len(fit) - (len(known.value) if known else 0))
        self._changed(variable, "register")
        return variable

    def set(
        self,
        name: str,
        value: bytes | msgspec.Raw,
        *,
        metadata: Mapping[str, Any] | None = None,
        expect: int | None = None,
        create: bool = True,
        event: str = "set",
    ) -> Variable:
        """The next version. Raises PitError as `register`, and `variable_not_found`, `version_conflict`."""
        known = self._find(name)
        if known is None:
            if expect is not None or not create:
                raise missing(name, self.row.id)
            return self.register(name, _inferred(name, value), value, constraints={}, metadata=metadata or {})
        _expect(known, expect)
        fit = _fitting(name, known.type, value, msgspec.json.decode(known.constraints))
        self._room(name, fit, known)
        facts = known.metadata if metadata is None else sessions.metadata(metadata)
        self.work.db.execute(
            "UPDATE variables SET value = ?, version = ?, metadata = ?, updated = ?, stale = 0 WHERE n = ?",
            (fit, known.version + 1, facts, self.work.now, known.n),
        )
        variable = known._replace(value=fit, version=known.version + 1, metadata=facts, updated=self.work.now, stale=0)
        self._count(bytes=len(fit) - len(known.value))
        self._changed(variable, event)
        return variable

    def remove(self, name: str, expect: int | None = None) -> None:
        """Raises PitError `variable_not_found`, `version_conflict`, `in_use`."""
        known = self._find(name)
        if known is None:
            raise missing(name, self.row.id)
        _expect(known, expect)
        users = self.work.db.execute(
            "SELECT name FROM depends JOIN variables ON variables.n = depends.variable WHERE source = ? LIMIT 3",
            (known.n,),
        ).fetchall()
        if users:
            raise PitError("in_use", f"{name}: {', '.join(one for (one,) in users)} depends on it")
        self._remove(known)

    def _remove(self, known: Variable) -> None:
        self.work.db.execute("DELETE FROM depends WHERE variable = ? OR source = ?", (known.n, known.n))
        self.work.db.execute("DELETE FROM variables WHERE n = ?", (known.n,))
        self._count(variables=-1, bytes=-len(known.value))
        self._record(known, "rm", None)

    def roll_back(self, name: str, version: int, expect: int | None = None) -> Variable:
        """A new version with the value of an old one. Raises PitError as `set`, and `history_lost`."""
        known = self._find(name)
        if known is None:
            raise missing(name, self.row.id)
        _expect(known, expect)
        old = history.version(self.work, self.row.id, known.n, name, version)
        return self.set(name, old.value or b"null", event="rollback")

    def depend(self, name: str, on: Iterable[str]) -> list[str]:
        """Raises PitError `variable_not_found`, `in_use` for a circle."""
        known = self._need(name)
        if name in (on := list(on)):
            raise PitError("in_use", f"{name}: it cannot depend on itself")
        sources = {one: self._need(one).n for one in on}
        for one, n in sources.items():
            if self._reaches(n, known.n):
                raise PitError("in_use", f"{name}: {one} depends on it, so it cannot depend on {one}")
        self.work.db.execute("DELETE FROM depends WHERE variable = ?", (known.n,))
        self.work.db.executemany(
            "INSERT INTO depends VALUES (?, ?, ?)", [(self.row.n, known.n, n) for n in sources.values()]
        )
        return sorted(sources)

    def expire(self) -> None:
        """Removes variables that have expired by a `ttl` of their own."""
        for found in self.work.db.execute(
            f"SELECT {_COLUMNS} FROM variables WHERE session = ? AND updated + ttl <= ?", (self.row.n, self.work.now)
        ).fetchall():
            self._remove(Variable(*found))

    def close(self) -> None:
        row = self.row
        self.work.db.execute(
            "UPDATE sessions SET variables = ?, bytes = ?, old = ?, revision = ?, lost = ? WHERE n = ?",
            (row.variables, row.bytes, row.old, row.revision, row.lost, row.n),
        )

    # -- parts --

    def _find(self, name: str) -> Variable | None:
        """An expired one is removed, so that another can take its name."""
        known = _row(self.work, self.row, name)
        if known is None or _is_live(known, self.work.now):
            return known
        self._remove(known)
        return None

    def _need(self, name: str) -> Variable:
        if (known := self._find(name)) is None:
            raise missing(name, self.row.id)
        return known

    def _room(self, name: str, value: bytes, known: Variable | None) -> None:
        """Raises PitError `quota_exceeded`; expired variables take no room."""
        size = len(value) - (len(known.value) if known else 0)
        if self._beyond(known is None, size):
            self.expire()
        if reason := self._beyond(known is None, size):
            raise PitError("quota_exceeded", f"{name}: {reason}")

    def _beyond(self, is_new: bool, grown: int) -> str:
        """Which limit would be exceeded; empty when none is."""
        limits, row = self.work.limits, self.row
        if is_new and row.variables >= limits.max_variables:
            return f"session {row.id}: {limits.max_variables:,} variables are allowed ([session] max_variables)"
        size = row.bytes + grown
        if size > limits.max_bytes and grown > 0:
            return f"session {row.id} would have {size:,} bytes; {limits.max_bytes:,} are allowed ([session] max_bytes)"
        return ""

    def _count(self, *, variables: int = 0, bytes: int = 0) -> None:  # noqa: A002
        self.row = self.row._replace(variables=self.row.variables + variables, bytes=self.row.bytes + bytes)

    def _changed(self, variable: Variable, event: str) -> None:
        """Records a change, and marks all that depend on the variable, in steps of one dependency."""
        self._record(variable, event, variable.value)
        sources = deque([variable.n])
        while sources:
            users = self.work.db.execute(
                f"SELECT {_COLUMNS} FROM variables WHERE stale = 0"
                " AND n IN (SELECT variable FROM depends WHERE source = ?)",
                (sources.popleft(),),
            ).fetchall()
            for found in users:
                user = Variable(*found)
                self.work.db.execute("UPDATE variables SET stale = 1 WHERE n = ?", (user.n,))
                self._record(user, "stale", user.value)
                sources.append(user.n)

    def _record(self, variable: Variable, event: str, value: bytes | None) -> None:
        self.row = self.row._replace(revision=self.row.revision + 1)
        change = Change(
            self.row.id, self.row.revision, variable.name, event, variable.version, variable.type, value,
            self.work.source, variable.metadata, self.work.now,
        )  # fmt: skip
        dropped = history.append(self.work, self.row, variable.n, change)
        self.row = self.row._replace(
            old=self.row.old + len(value or b"") - dropped.bytes, lost=max(self.row.lost, dropped.latest)
        )

    def _reaches(self, start: int, goal: int) -> bool:
        """Whether a variable is another one, or depends on it through any number of others."""
        found = self.work.db.execute(
            "WITH RECURSIVE reached (n) AS (VALUES (?) UNION SELECT source FROM depends JOIN reached ON variable = n)"
            " SELECT 1 FROM reached WHERE n = ? LIMIT 1",
            (start, goal),
        ).fetchone()
        return found is not None


def _expect(known: Variable, expect: int | None) -> None:
    if expect is not None and known.version != expect:
        text = f"{known.name}: version {expect} was expected; it is at version {known.version}"
        raise PitError("version_conflict", text, version=known.version)


def _inferred(name: str, value: bytes | msgspec.Raw) -> str:
    try:
        if is_message(whole := bytes(value)):
            return arrays.inferred(whole)
        return values.inferred(values.decoded(value))
    except InvalidValueError as error:
        raise PitError("invalid_value", f"{name}: {error}") from None


def _fitting(
    name: str, type_: str, value: bytes | msgspec.Raw, constraints: Mapping[str, Any], *, new: bool = False
) -> bytes:
    """The value as it is kept. Raises PitError `invalid_value`."""
    try:
        if new:
            values.check_constraints(type_, constraints)
        if is_message(whole := bytes(value)):
            value = arrays.fitting(type_, whole, constraints)
            if is_message(value):
                return value
        given = values.decoded(value)
        fit = values.check(type_, given, constraints)
    except InvalidValueError as error:
        raise PitError("invalid_value", f"{name}: {error}") from None
    same = fit is given or (type(fit) is type(given) and type_ != "embedding")
    return values.compact(value) if same else _encoded(fit)


def _encoded(value: Any) -> bytes:
    if type(value) is int:
        return b"%d" % value
    return msgspec.json.encode(value)


def overdue(work: Work, most: int) -> list[Row]:
    """Live sessions that have expired variables."""
    found = work.db.execute(
        "SELECT DISTINCT sessions.id FROM variables JOIN sessions ON sessions.n = session"
        " WHERE variables.ttl IS NOT NULL AND updated + variables.ttl <= ? AND id IS NOT NULL LIMIT ?",
        (work.now, most),
    ).fetchall()
    columns = ", ".join(Row._fields)
    rows = [work.db.execute(f"SELECT {columns} FROM sessions WHERE id = ?", one).fetchone() for one in found]
    return [Row(*one) for one in rows]
