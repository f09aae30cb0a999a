"""The session of a call, as its handler sees it: variables and programs that the server keeps.

Every method can be used plainly and with `await`, from plain and from async handlers; see runtime/awaited.py for what
exactly it returns where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Callable, Protocol

from snakepit_bridge.datatypes import TypeName
from snakepit_bridge.errors import CallFailedError, NoSessionError
from snakepit_bridge.runtime import state
from snakepit_bridge.runtime.awaited import Query, answer, now, ready
from snakepit_bridge.runtime.replies import Replies
from snakepit_bridge.runtime.state import Kept
from snakepit_bridge.runtime.variable_cache import MISSING, VariableCache
from snakepit_bridge.tools import Offered, OfferedTools, ToolCall, Tools, offer
from snakepit_bridge.variables import BatchUpdates, VariableNamespace, VariableProxy

__all__ = ["SessionContext"]


class Server(Protocol):
    """Answers queries: runtime/asker.py."""

    @property
    def cache(self) -> VariableCache: ...

    @property
    def tools(self) -> OfferedTools: ...

    def query(self, query: Query) -> Any: ...

    async def query_later(self, query: Query) -> Any: ...

    def stream(self, query: Query) -> Replies: ...


class SessionContext:
    """Variables and programs of one session.

    Ask for it with a parameter annotated `SessionContext`, with `CallContext.session`, or with a method
    `set_session_context(self, ctx)`, which is called before each call. It is valid until the call ends.

    `ctx[name]`, `ctx[name] = value`, `del ctx[name]`, `name in ctx` and `ctx.v.name` do what the methods do. In a
    call without a session every use raises NoSessionError; a context without one is false.
    """

    __slots__ = ("_kept", "_server", "metadata", "session_id", "strict_mode")

    def __init__(
        self,
        server: Server | None,
        session_id: str = "",
        strict_mode: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.session_id = session_id
        """The session's name; empty without one."""
        self.strict_mode = strict_mode
        """Setting a variable that does not exist raises VariableNotFoundError, instead of registering it."""
        self.metadata: Mapping[str, str] = metadata if metadata is not None else {}
        """What the caller has said about the call."""
        self._server = server
        self._kept = Kept(server.cache if server is not None and session_id else _NOTHING_KEPT, session_id)

    # ------------------------------------------------------------------------------------------- variables

    def register_variable(  # noqa: PLR0917 - the original's signature
        self,
        name: str,
        var_type: TypeName,
        initial_value: Any,
        constraints: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl: float | timedelta | None = None,
        *,
        replace: bool = False,
    ) -> Any:
        """Makes a variable and returns its id. `ttl`: how long it lives after its last change, in seconds.

        Raises AlreadyExistsError (without `replace`), InvalidValueError, QuotaExceededError.
        """
        more = {"constraints": constraints, "metadata": metadata, "ttl": state.seconds(ttl), "replace": replace or None}
        return answer(self._use(), state.register(self._kept, name, var_type, initial_value, **more))

    def get_variable(self, identifier: str) -> Any:
        """The value. Never older than the last acknowledged write.

        Raises VariableNotFoundError.
        """
        found = self._kept.get(identifier)
        if found is not MISSING:
            return ready(found)
        return answer(self._use(), self._kept.fetch(identifier))

    def update_variable(
        self,
        identifier: str,
        new_value: Any,
        metadata: Mapping[str, Any] | None = None,
        *,
        expected_version: int | None = None,
    ) -> Any:
        """Sets a variable that exists and returns its new version.

        Raises VariableNotFoundError, InvalidValueError, VersionConflictError (when it has not the expected version).
        """
        steps = state.update(self._kept, identifier, new_value, metadata, expected_version, create=False)
        return answer(self._use(), steps)

    def list_variables(self, pattern: str | None = None) -> Any:
        """Those whose whole name matches (`*`, `?`, `[abc]`), the oldest first. Each is a dict.

        Its keys: id, name, type, value, version, constraints, metadata, optimizing, and more.
        """
        return answer(self._use(), state.listed(pattern))

    def describe(self, identifier: str) -> Any:
        """Everything about a variable, as `list_variables` shows it."""
        return answer(self._use(), state.show(identifier))

    def delete_variable(self, identifier: str) -> Any:
        """Removes it. Raises VariableNotFoundError, InUseError (another depends on it)."""
        return answer(self._use(), state.remove(self._kept, identifier))

    def get_variables(self, identifiers: Iterable[str]) -> Any:
        """The values by name. Raises VariableNotFoundError, which names those that are missing."""
        return answer(self._use(), state.get_many(self._kept, identifiers, MISSING))

    def update_variables(
        self,
        updates: Mapping[str, Any],
        atomic: bool = False,
        metadata: Mapping[str, Any] | None = None,
        *,
        expected_versions: Mapping[str, int] | None = None,
    ) -> Any:
        """Sets many that exist. By name: True, or why the value was not taken.

        `atomic`: all or none; raises InvalidValueError, which names those that are wrong.
        """
        steps = state.update_many(self._kept, updates, metadata, expected_versions, atomic=atomic, create=False)
        return answer(self._use(), steps)

    def commit(self, updates: Mapping[str, Any], *, atomic: bool = False) -> Any:
        """As `update_variables`, but registers those that do not exist, unless `strict_mode` is set."""
        steps = state.update_many(self._kept, updates, None, None, atomic=atomic, create=not self.strict_mode)
        return answer(self._use(), steps)

    def batch_updates(self, atomic: bool = False) -> BatchUpdates:
        """Collects changes, and makes them at the end of a `with` block."""
        return BatchUpdates(self, atomic=atomic)

    def variable(self, name: str) -> VariableProxy:
        """The variable as an object with a `value`."""
        return VariableProxy(self, name)

    @property
    def v(self) -> VariableNamespace:
        """Variables as attributes."""
        return VariableNamespace(self)

    def __getitem__(self, name: str) -> Any:
        found = self._kept.get(name)
        return now(self._use(), self._kept.fetch(name)) if found is MISSING else found

    def __setitem__(self, name: str, value: Any) -> None:
        now(self._use(), state.update(self._kept, name, value, None, None, create=not self.strict_mode))

    def __delitem__(self, name: str) -> None:
        now(self._use(), state.remove(self._kept, name))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return self._kept.get(name) is not MISSING or bool(now(self._use(), state.exists(name)))

    # --------------------------------------------------------------------------------------------- changes

    def watch_variables(self, pattern: str = "*", *, version: int | None = None, after: int | None = None) -> Replies:
        """The changes of variables that match, as they come: `for change in …`, or `async for`.

        A change is a dict: revision, name, event, version, type, value, source, metadata, at. It begins with now, with
        `version` of the variable that `pattern` names, or `after` a revision. It ends with the session or the call.
        """
        query = {"op": "var_watch", "pattern": pattern, **state.without_none(version=version, after=after)}
        replies = self._use().stream(query)
        replies.shape = state.change
        return replies

    def history(self, identifier: str, limit: int | None = None) -> Any:
        """The latest changes of a variable, the oldest first. See `watch_variables` for what they hold."""
        return answer(self._use(), state.history(identifier, limit))

    def rollback(self, identifier: str, version: int, *, expected_version: int | None = None) -> Any:
        """Sets the value that it had in that version, and returns the new version.

        Raises HistoryLostError when the old value is not kept any more.
        """
        return answer(self._use(), state.roll_back(self._kept, identifier, version, expected_version))

    def depend(self, identifier: str, on: Iterable[str]) -> Any:
        """Says on which variables one depends: it is marked stale when they change. None of them: `on=[]`."""
        return answer(self._use(), state.one({"op": "var_depend", "name": identifier, "on": list(on)}, "on"))

    # -------------------------------------------------------------------------------------------- programs

    def put_program(self, program_id: str, data: Any, *, everywhere: bool = False, create: bool = False) -> Any:
        """Keeps a program, which is any JSON.

        `everywhere`: for all sessions. `create`: raises AlreadyExistsError when there is one of that id.
        """
        return answer(self._use(everywhere), state.put_program(program_id, data, everywhere, create))

    def get_program(self, program_id: str, *, everywhere: bool = False) -> Any:
        """The data of a program of this session, or else of the global one. Raises ProgramNotFoundError."""
        return answer(self._use(everywhere), state.get_program(program_id, everywhere))

    def list_programs(self, pattern: str = "*", *, everywhere: bool = False) -> Any:
        """Those whose whole id matches, as dicts without their data."""
        query = {"op": "program_list", "pattern": pattern, "global": everywhere}
        return answer(self._use(everywhere), state.one(query))

    def delete_program(self, program_id: str, *, everywhere: bool = False) -> Any:
        """Removes it. Raises ProgramNotFoundError."""
        return answer(self._use(everywhere), state.delete_program(program_id, everywhere))

    def register_global_program(self, program_id: str, data: Any) -> Any:
        """As `put_program(…, everywhere=True)`."""
        return answer(self._use(True), state.put_program(program_id, data, True, False))

    def get_global_program(self, program_id: str) -> Any:
        """As `get_program(…, everywhere=True)`."""
        return answer(self._use(True), state.get_program(program_id, True))

    def delete_global_program(self, program_id: str) -> Any:
        """As `delete_program(…, everywhere=True)`."""
        return answer(self._use(True), state.delete_program(program_id, True))

    # ----------------------------------------------------------------------------------------------- tools

    def call_tool(self, tool_name: str, /, **arguments: Any) -> Any:
        """The result of a function that some process offers in this session, whatever its language.

        It inherits the call's deadline and is cancelled with it. Raises ToolNotFoundError, ToolUnavailableError, and
        what the provider's function raised as CallFailedError.
        """
        return answer(self._use(), state.one(ToolCall(tool_name, arguments, self.session_id)))

    def stream_tool(self, tool_name: str, /, **arguments: Any) -> Replies:
        """The chunks of a tool as they come: `for chunk in …`, or `async for`."""
        return self._use().stream(ToolCall(tool_name, arguments))

    def list_tools(self, pattern: str = "*") -> Any:
        """Those that the session has now, as dicts: name, description, streaming, parameters, worker, language, …"""
        return answer(self._use(), state.one({"op": "tool_list", "pattern": pattern}))

    @property
    def tools(self) -> Tools:
        """The tools that the session has now, by name: `ctx.tools["parse_json"](json_string="{}")`."""
        return Tools(self, now(self._use(), state.one({"op": "tool_list"})))

    def register_tool(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        description: str | None = None,
        *,
        streaming: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Offers a function of this worker to all that use the session; its name.

        What is not said is taken from its `@tool`, its signature and its docstring. Raises AlreadyExistsError when
        another worker offers one of that name.
        """
        steps = state.registered(
            self._use(), self.session_id, [offer(function, name, description, streaming, metadata)]
        )
        return answer(self._use(), state.first(steps))

    def register_tools(self, functions: Iterable[Callable[..., Any]]) -> Any:
        """As `register_tool`, for several: all or none. Their names."""
        offered: list[Offered] = [offer(one) for one in functions]
        return answer(self._use(), state.registered(self._use(), self.session_id, offered))

    def unregister_tool(self, name: str) -> Any:
        """Takes a tool of this worker back. Raises ToolNotFoundError."""
        return answer(self._use(), state.unregistered(self._use(), self.session_id, name))

    call_elixir_tool = call_tool

    @property
    def elixir_tools(self) -> Tools:
        """The original's name of `tools`."""
        return self.tools

    # -------------------------------------------------------------------------------------------- the cache

    def set_cache_ttl(self, ttl: timedelta | float) -> None:
        """How old a kept value may be, in seconds. It is never older than the server allows, whatever is said here."""
        self._kept.most = state.seconds(ttl)

    def clear_cache(self) -> None:
        """Drops all values of the session that are kept."""
        self._kept.drop()

    def cleanup(self, force: bool = False) -> Any:  # noqa: ARG002 - the original has it
        """Removes the session with all that is in it."""
        return answer(self._use(), state.clear(self._kept))

    # ----------------------------------------------------------------------------------------------- itself

    def _use(self, without_session: bool = False) -> Server:
        if not self.session_id and not without_session:
            raise NoSessionError
        if self._server is None:
            raise CallFailedError("unavailable", "there is no server to ask: the adapter runs by itself")
        return self._server

    @property
    def request_metadata(self) -> Mapping[str, str]:
        """The original's name of `metadata`."""
        return self.metadata

    def __enter__(self) -> SessionContext:
        return self

    def __exit__(self, *_: object) -> None:
        """The end of `with ctx:` removes the session, as in the original."""
        self.cleanup()

    async def __aenter__(self) -> SessionContext:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cleanup()

    def __bool__(self) -> bool:
        return bool(self.session_id)

    def __iter__(self) -> Any:
        raise TypeError("a SessionContext cannot be iterated; use list_variables()")

    def __str__(self) -> str:
        return self.session_id

    def __repr__(self) -> str:
        return f"SessionContext({self.session_id!r})"


_NOTHING_KEPT = VariableCache()
"""For contexts without a session: stays empty."""
