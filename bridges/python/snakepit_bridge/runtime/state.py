"""Queries about variables and programs, and what becomes of their answers.

Each function is a generator that yields queries and is sent their answers (awaited.py): the same for plain and async
handlers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from snakepit_bridge.datatypes import TypeName, from_json, to_json, type_name
from snakepit_bridge.errors import InvalidValueError, SessionExpiredError, VariableNotFoundError
from snakepit_bridge.runtime.awaited import Query, Steps
from snakepit_bridge.runtime.variable_cache import Change, VariableCache
from snakepit_bridge.tools import Offered, OfferedTools

__all__ = ["Kept", "change"]


_IDS = "var_"
"""How the server's ids of variables begin. Which variable an id means, only the server knows."""


def seconds(time: float | timedelta | None) -> float | None:
    """Seconds of a number or a timedelta."""
    return time.total_seconds() if isinstance(time, timedelta) else time


def without_none(**fields: Any) -> dict[str, Any]:
    """The fields that are given."""
    return {name: value for name, value in fields.items() if value is not None}


class Kept:
    """The cache, as one session uses it."""

    __slots__ = ("_cache", "most", "session")

    def __init__(self, cache: VariableCache, session: str) -> None:
        self._cache = cache
        self.session = session
        self.most: float | None = None
        """How many seconds old a value may be, when that is less than its lease."""

    def get(self, name: str) -> Any:
        return self._cache.get(self.session, name, self.most)

    def drop(self, *names: str) -> None:
        """Without names: all of the session."""
        self._cache.drop(self.session, names)

    def fetch(self, name: str) -> Steps:
        """The value of a variable, from the server."""
        ticket = self._cache.ticket(self.session)
        try:
            found = yield {"op": "var_get", "name": name, "lease": True}
        except SessionExpiredError:
            raise _nothing_yet([name]) from None
        value = from_json(found["value"], found["type"])
        # An invalidation names the variable; it may have been asked for by its id.
        if found["name"] == name:
            lease, size = float(found.get("lease") or 0), int(found.get("size") or 0)
            self._cache.keep(ticket, name, value, lease, size)
        return value

    def write(self, *names: str, **query: Any) -> Steps:
        """A change of these variables, or of all. What is kept of them is dropped now, and again with the reply."""
        if any(name.startswith(_IDS) for name in names):
            names = ()
        self.drop(*names)
        return (yield Change(self.session, *names, **query))


def show(name: str) -> Steps:
    """Everything about a variable."""
    try:
        return described((yield {"op": "var_get", "name": name}))
    except SessionExpiredError:
        raise _nothing_yet([name]) from None


def exists(name: str) -> Steps:
    try:
        yield {"op": "var_get", "name": name}
    except (VariableNotFoundError, SessionExpiredError):
        return False
    return True


def register(kept: Kept, name: str, var_type: TypeName, value: Any, **more: Any) -> Steps:
    """The id of the new variable."""
    kind = type_name(var_type)
    query = {"op": "var_register", "name": name, "type": kind, "value": to_json(value, kind), **without_none(**more)}
    return (yield from kept.write(name, **query))["id"]


def update(kept: Kept, name: str, value: Any, metadata: Any, expect: int | None, *, create: bool) -> Steps:
    """The new version."""
    query = {"op": "var_set", "name": name, "value": to_json(value), "create": create}
    query.update(without_none(metadata=metadata, expect=expect))
    try:
        return (yield from kept.write(name, **query))["version"]
    except SessionExpiredError:
        if create:
            raise
        raise _nothing_yet([name]) from None


def listed(pattern: str | None) -> Steps:
    try:
        found = yield {"op": "var_list", "pattern": pattern or "*"}
    except SessionExpiredError:
        return []
    return [described(one) for one in found]


def remove(kept: Kept, name: str) -> Steps:
    try:
        yield from kept.write(name, op="var_rm", name=name)
    except SessionExpiredError:
        raise _nothing_yet([name]) from None


def get_many(kept: Kept, names: Iterable[str], missing: Any) -> Steps:
    """The values by name. `missing`: what `kept.get` returns for what is not kept."""
    wanted = list(dict.fromkeys(names))
    values = {name: kept.get(name) for name in wanted}
    unknown = [name for name in wanted if values[name] is missing]
    if not unknown:
        return values
    try:
        found = yield {"op": "var_mget", "names": unknown}
    except SessionExpiredError:
        raise _nothing_yet(unknown) from None
    if found["missing"]:
        raise _not_found(found["missing"])
    values.update({name: from_json(one["value"], one["type"]) for name, one in found["found"].items()})
    return values


def update_many(
    kept: Kept, values: Mapping[str, Any], metadata: Any, expect: Any, *, atomic: bool, create: bool
) -> Steps:
    """By name: True, or why the value was not taken."""
    if not values:
        return {}
    query: dict[str, Any] = {
        "op": "var_mset", "values": {name: to_json(one) for name, one in values.items()},
        "atomic": atomic, "create": create, **without_none(metadata=metadata, expect=expect),
    }  # fmt: skip
    try:
        found = yield from kept.write(*values, **query)
    except SessionExpiredError:
        if create:
            raise
        raise _nothing_yet(list(values)) from None
    return {name: one["error"]["message"] if "error" in one else True for name, one in found["results"].items()}


def history(name: str, limit: int | None) -> Steps:
    found = yield {"op": "var_history", "name": name, **without_none(limit=limit)}
    return [change(one) for one in found]


def roll_back(kept: Kept, name: str, version: int, expect: int | None) -> Steps:
    """The new version."""
    query = {"op": "var_rollback", "name": name, "version": version, **without_none(expect=expect)}
    return (yield from kept.write(name, **query))["version"]


def one(query: Query, field: str = "") -> Steps:
    """The answer to one query, or a field of it."""
    found = yield query
    return found[field] if field else found


def put_program(program_id: str, data: Any, everywhere: bool, create: bool) -> Steps:
    return one({"op": "program_put", "id": program_id, "data": data, "global": everywhere, "create": create})


def get_program(program_id: str, everywhere: bool) -> Steps:
    return one({"op": "program_get", "id": program_id, "global": everywhere}, "data")


def delete_program(program_id: str, everywhere: bool) -> Steps:
    return one({"op": "program_rm", "id": program_id, "global": everywhere}, "removed")


def clear(kept: Kept) -> Steps:
    """Whether there was a session to remove."""
    return (yield from kept.write(op="session_rm"))["removed"]


class Providing(Protocol):
    """What registers tools."""

    @property
    def tools(self) -> OfferedTools: ...


def registered(server: Providing, session: str, offered: list[Offered]) -> Steps:
    """Names of the new tools. They can be called before the answer comes, so they are known first."""
    known = [one for one in offered if server.tools.get(session, one.command.name) is None]
    for one in offered:
        server.tools.add(session, one)
    try:
        answer = yield {"op": "tool_register", "tools": [one.described() for one in offered]}
    except BaseException:
        for one in known:
            server.tools.remove(session, one.command.name)
        raise
    for one in offered:  # again: an expired session of this name has ended meanwhile, with all of its tools
        server.tools.add(session, one)
    return answer["registered"]


def unregistered(server: Providing, session: str, name: str) -> Steps:
    yield {"op": "tool_rm", "name": name}
    server.tools.remove(session, name)


def first(steps: Steps) -> Steps:
    """The first of what they return."""
    return (yield from steps)[0]


def described(variable: dict[str, Any]) -> dict[str, Any]:
    """A variable as `list_variables` shows it."""
    variable["value"] = from_json(variable["value"], variable["type"])
    variable.setdefault("optimizing", False)
    return variable


def change(event: dict[str, Any]) -> dict[str, Any]:
    """One change, as a watcher sees it."""
    if event.get("value") is not None:
        event["value"] = from_json(event["value"], event["type"])
    return event


def failed_updates(results: Mapping[str, Any]) -> InvalidValueError | None:
    """The error that names each update that was not taken."""
    wrong = [text for text in results.values() if text is not True]
    return InvalidValueError("invalid_value", "; ".join(wrong)) if wrong else None


def _not_found(names: list[str]) -> VariableNotFoundError:
    listed = ", ".join(f"`{name}`" for name in names[:10])
    return VariableNotFoundError("variable_not_found", f"no variable{'s' if len(names) > 1 else ''} {listed}")


def _nothing_yet(names: list[str]) -> VariableNotFoundError:
    """Whether a session that holds nothing exists makes no difference to a reader."""
    return _not_found(names)
