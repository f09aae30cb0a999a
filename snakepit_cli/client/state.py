"""Sessions, their variables and their programs, for Python programs that are not workers.

    with Connection(connect("default")) as connection:
        name = Sessions(connection).create(ttl=7200)["id"]
        session = Session(connection, name)
        session.register("temperature", "float", 0.7, constraints={"min": 0, "max": 1})
        session.set("temperature", 0.9)

One method for each query of docs/reference/front-protocol.md, with the results that it describes. All raise PitError.
Values are whatever `json` can write, and arrays. NaN and the infinities are refused (`invalid_value`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from snakepit_cli.client import variables
from snakepit_cli.client.api import Connection, Json
from snakepit_cli.client.following import Following
from snakepit_cli.client.json_text import JsonText, encode, members
from snakepit_cli.wire.binary import Buffer, is_message

_PATIENCE = 60.0
"""Seconds: a change is on disk before it is answered, and a disk may be slow."""
_PAGE = 1000
Rows = list[Json]
Names = Sequence[str]
Labels = Mapping[str, str | None]
Facts = Mapping[str, Any]


class _Asking:
    """`session` is a field of every query, unless it is None."""

    def __init__(self, connection: Connection, session: str | None) -> None:
        self._connection = connection
        self._session = session

    def _ask(self, op: str, parts: list[Buffer] | None = None, /, **fields: Any) -> Any:
        """`parts` are those of the values in `fields`."""
        text = members({"op": op, "session": self._session, **fields})
        answer = self._connection.ask(op, variables.message(text, parts or []), patience=_PATIENCE)
        if not is_message(answer):
            return json.loads(answer)
        from snakepit_cli.client import values

        return values.decode(answer, "the answer")

    def _body(self, op: str, fields: Mapping[str, Any]) -> bytes:
        return members({"op": op, "session": self._session, **fields}).encode()


class Sessions(_Asking):
    """All sessions of an instance."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, None)

    def create(self, name: str | None = None, *, ttl: float | None = None, metadata: Labels | None = None) -> Json:
        """SESSION and `new`. Without a `name` the server makes one. A session that exists is left as it is."""
        answer: Json = self._ask("session_create", session=name, ttl=ttl, metadata=metadata)
        return answer

    def list(self, pattern: str = "*") -> Iterator[Json]:
        """SESSIONs whose id matches a glob, the oldest first. Asks for a page when the page before is used up."""
        after: int | None = None
        while True:
            page = self._ask("session_list", pattern=pattern, after=after, limit=_PAGE)
            yield from page["sessions"]
            after = page["next"]
            if after is None:
                return

    def show(self, name: str) -> Json:
        answer: Json = self._ask("session_show", session=name)
        return answer

    def touch(self, name: str) -> Json:
        """SESSION. Its time to live restarts."""
        answer: Json = self._ask("session_touch", session=name)
        return answer

    def update(self, name: str, *, ttl: float | None = None, metadata: Labels | None = None) -> Json:
        """SESSION. None as a value of `metadata` removes an entry; those that are not named stay."""
        answer: Json = self._ask("session_update", session=name, ttl=ttl, metadata=metadata)
        return answer

    def rm(self, name: str) -> Json:
        """`id`, and `removed`: whether there was one."""
        answer: Json = self._ask("session_rm", session=name)
        return answer

    def stats(self) -> Json:
        answer: Json = self._ask("session_stats")
        return answer

    def gc(self) -> Json:
        """`expired`: how many expired sessions were removed."""
        answer: Json = self._ask("session_gc")
        return answer


class Session(_Asking):
    """The variables and tools of one session. The first write creates the session when it does not exist."""

    def __init__(self, connection: Connection, name: str) -> None:
        super().__init__(connection, name)
        self.id = name

    @property
    def programs(self) -> Programs:
        return Programs(self._connection, self.id)

    def register(
        self,
        name: str,
        var_type: str,
        value: Any,
        *,
        constraints: Facts | JsonText | None = None,
        metadata: Facts | None = None,
        ttl: float | None = None,
        replace: bool = False,
    ) -> Json:
        """VARIABLE. `ttl` is in seconds since its last change. Raises `already_exists` without `replace`."""
        parts: list[Buffer] = []
        answer: Json = self._ask(
            "var_register", parts, name=name, type=var_type, value=variables.text(value, name, parts, var_type),
            constraints=constraints, metadata=metadata, ttl=ttl, replace=replace or None,
        )  # fmt: skip
        return answer

    def set(
        self, name: str, value: Any, *, expect: int | None = None, create: bool = True, metadata: Facts | None = None
    ) -> Json:
        """`name` and the new `version`. With `expect` only if that is its current version (`version_conflict`)."""
        parts: list[Buffer] = []
        text = variables.text(value, name, parts)
        answer: Json = self._ask(
            "var_set", parts, name=name, value=text, expect=expect, metadata=metadata, **_create(create)
        )
        return answer

    def get(self, name: str) -> Json:
        """VARIABLE; its value is in `value`. The numbers of a long array that was set as one are a read-only array."""
        answer: Json = self._ask("var_get", name=name, binary=True)
        return answer

    def list(self, pattern: str = "*") -> Rows:
        answer: Rows = self._ask("var_list", pattern=pattern)
        return answer

    def rm(self, name: str, *, expect: int | None = None) -> Json:
        answer: Json = self._ask("var_rm", name=name, expect=expect)
        return answer

    def mget(self, names: Names) -> Json:
        """`found`, VARIABLEs by name, and `missing`, a list of names."""
        answer: Json = self._ask("var_mget", names=_list(names), binary=True)
        return answer

    def mset(
        self,
        values: Mapping[str, Any] | JsonText,
        *,
        atomic: bool = False,
        create: bool = True,
        expect: Mapping[str, int] | None = None,
        metadata: Facts | None = None,
    ) -> Json:
        """`results`: by name a `version` or an `error`. With `atomic` all or none: it raises when one is wrong."""
        parts: list[Buffer] = []
        texts = values if isinstance(values, JsonText) else JsonText(members(variables.texts(values, parts)))
        answer: Json = self._ask(
            "var_mset", parts, values=texts, atomic=atomic or None, expect=expect, metadata=metadata, **_create(create)
        )
        return answer

    def export(self, pattern: str = "*") -> Rows:
        """VARIABLEs as `import_` takes them."""
        answer: Rows = self._ask("var_export", pattern=pattern)
        return answer

    def import_(self, exported: Sequence[Any]) -> Json:
        """`imported`: how many. All or none; variables that exist are replaced."""
        given = exported if isinstance(exported, JsonText) else _list(exported)
        answer: Json = self._ask("var_import", variables=_text(given, "variables"))
        return answer

    def watch(self, pattern: str = "*", *, version: int | None = None, after: int | None = None) -> Watch:
        """CHANGEs from now on, or after a revision of the session, or from a version of the variable `pattern`."""
        body = self._body("var_watch", {"pattern": pattern, "version": version, "after": after})
        return Watch(self._connection.follow(body))

    def history(self, name: str, *, limit: int | None = None) -> Rows:
        """CHANGEs of a variable, the oldest first."""
        answer: Rows = self._ask("var_history", name=name, limit=limit)
        return answer

    def rollback(self, name: str, version: int, *, expect: int | None = None) -> Json:
        """`name` and the new `version`, which has the value of the old one."""
        answer: Json = self._ask("var_rollback", name=name, version=version, expect=expect)
        return answer

    def depend(self, name: str, on: Names) -> Json:
        """Names all variables that it depends on: an empty list for none any more."""
        answer: Json = self._ask("var_depend", name=name, on=_list(on))
        return answer

    def tools(self, pattern: str = "*") -> Rows:
        """TOOLs that processes offer in this session now."""
        answer: Rows = self._ask("tool_list", pattern=pattern)
        return answer

    def call_tool(self, name: str, /, **arguments: Any) -> Any:
        """The result of a tool; that of a streaming one is a list of its chunks. Raises what the provider answers."""
        return json.loads(self._connection.call(name, _arguments(arguments), session=self.id, tool=True))

    def stream_tool(self, name: str, /, **arguments: Any) -> Generator[Any]:
        """The chunks of a tool, as they come. Closing the iterator cancels the call."""
        blocks = self._connection.stream(name, _arguments(arguments), session=self.id, tool=True)
        with contextlib.closing(blocks):
            for block in blocks:
                yield from map(json.loads, block.splitlines())


class Watch:
    """Changes of variables as they come. It ends with the session; closing it ends the watch.

    Other requests may be made on the connection meanwhile: no change is lost by that. Raises PitError `history_lost`
    when too many came before they were read.
    """

    def __init__(self, following: Following) -> None:
        self._following = following
        self._changes: list[Json] = []

    @property
    def reason(self) -> str | None:
        """Why it ended; None as long as it has not."""
        result = self._following.result
        return None if result is None else str(result["reason"])

    def __iter__(self) -> Iterator[Json]:
        return self

    def __next__(self) -> Json:
        while not self._changes:
            block = next(self._following)
            self._changes = [json.loads(line) for line in reversed(block.splitlines()) if line]
        return self._changes.pop()

    def close(self) -> None:
        self._changes = []
        self._following.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Programs(_Asking):
    """Programs of a session, or with None the global ones, which all sessions can use."""

    def __init__(self, connection: Connection, session: str | None) -> None:
        super().__init__(connection, session)
        self._everywhere = True if session is None else None

    def _ask(self, op: str, _: list[Buffer] | None = None, /, **fields: Any) -> Any:
        return super()._ask(op, None, **{"global": self._everywhere, **fields})

    def put(self, name: str, data: Any, *, create: bool = False) -> Json:
        """PROGRAM without `data`. With `create` it raises `already_exists` when there is one."""
        answer: Json = self._ask("program_put", id=name, data=_text(data, name), create=create or None)
        return answer

    def get(self, name: str) -> Json:
        """PROGRAM: that of the session or, when it has none of this name, the global one."""
        answer: Json = self._ask("program_get", id=name)
        return answer

    def list(self, pattern: str = "*") -> Rows:
        answer: Rows = self._ask("program_list", pattern=pattern)
        return answer

    def rm(self, name: str) -> Json:
        answer: Json = self._ask("program_rm", id=name)
        return answer


_list = list
"""In classes that have a method of this name."""


def _text(value: Any, name: str) -> JsonText:
    return JsonText(encode(value, name))


def _arguments(arguments: Facts) -> bytes:
    return encode(arguments, "arguments").encode()


def _create(create: bool) -> dict[str, bool]:
    return {} if create else {"create": False}
