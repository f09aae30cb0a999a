"""Requests of a handler: calls of other commands, and queries about sessions, variables and programs."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

from snakepit_bridge import jsonio, jsonparts, partarguments
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.binary import BinaryError, Buffer, is_message, pack
from snakepit_bridge.datatypes import has_array
from snakepit_bridge.errors import CallFailedError, InvalidValueError, error_of
from snakepit_bridge.runtime import own_tools
from snakepit_bridge.runtime.forks import is_forked
from snakepit_bridge.runtime.long_replies import LongReply, Reply
from snakepit_bridge.runtime.nested_values import Arguments, decode
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.replies import Replies
from snakepit_bridge.runtime.requests import Put, Requests, nothing
from snakepit_bridge.runtime.segments import Segments
from snakepit_bridge.runtime.variable_cache import Change, Changes, VariableCache
from snakepit_bridge.tools import OfferedTools, ToolCall

__all__ = ["Asker"]


class Asker:
    """Makes the requests of one call's handler. From any thread."""

    def __init__(self, requests: Requests, outbox: Outbox, parent: int, segments: Segments | None) -> None:
        """`segments` are for long arguments; None when there is no shared memory."""
        self._requests = requests
        self._outbox = outbox
        self._parent = parent
        self._segments = segments

    @property
    def tools(self) -> OfferedTools:
        return self._requests.tools

    @property
    def cache(self) -> VariableCache:
        return self._requests.cache

    def wait(self, command: str, args: dict[str, Any], **more: Any) -> Any:
        """The value of a command. Blocks. Raises CallFailedError."""
        return self._run(self._call(command, more), Arguments(args, self._segments))

    async def later(self, command: str, args: dict[str, Any], **more: Any) -> Any:
        """`wait` for an event loop."""
        return await self._run_later(self._call(command, more), Arguments(args, self._segments))

    def query(self, query: dict[str, Any] | ToolCall) -> Any:
        """The answer to a query. Blocks. Raises CallFailedError."""
        if isinstance(query, ToolCall) and (own := self.tools.get(query.session, query.name)) is not None:
            return own_tools.run(own, query, self)
        if isinstance(query, ToolCall):
            return self._run(self._tool(query), _arguments(query, self._segments))
        return _answer(self._wait(self._query(query), _changes(query)))

    async def query_later(self, query: dict[str, Any] | ToolCall) -> Any:
        """`query` for an event loop."""
        if isinstance(query, ToolCall) and (own := self.tools.get(query.session, query.name)) is not None:
            return await own_tools.run_later(own, query, self)
        if isinstance(query, ToolCall):
            return await self._run_later(self._tool(query), _arguments(query, self._segments))
        return _answer(await self._later(self._query(query), _changes(query)))

    def stream(self, query: dict[str, Any] | ToolCall) -> Replies:
        """The answers to a query that has many."""
        _refuse_in_fork()
        if not isinstance(query, ToolCall):
            return Replies(self._requests, self._outbox, self._query(query))
        request = self._tool(query)
        _arguments(query, None).put(request)
        return Replies(self._requests, self._outbox, request)

    def _run(self, request: pb.Request, arguments: Arguments) -> Any:
        request.takes_references = self._can_read
        while True:
            try:
                return decode(self._wait(request, put=arguments.put))
            except CallFailedError as error:  # noqa: PERF203 - seldom a second time
                if not arguments.other_form(error):
                    raise

    async def _run_later(self, request: pb.Request, arguments: Arguments) -> Any:
        request.takes_references = self._can_read
        while True:
            try:
                return decode(await self._later(request, put=arguments.put))
            except CallFailedError as error:  # noqa: PERF203 - seldom a second time
                if not arguments.other_form(error):
                    raise

    @property
    def _can_read(self) -> bool:
        return self._segments is not None and self._segments.can_be_read

    def _wait(self, request: pb.Request, changes: Changes = None, put: Put = nothing) -> bytes:
        _refuse_in_fork()
        inbox = _Waiting(changes)
        number = self._requests.send(self._outbox, request, inbox, put)
        try:
            self._requests.hurry()
            result = inbox.came.get()
        except BaseException:
            self._requests.give_up(self._outbox, number)
            raise
        return _value(result)

    async def _later(self, request: pb.Request, changes: Changes = None, put: Put = nothing) -> bytes:
        _refuse_in_fork()
        inbox = _Awaited(changes)
        number = self._requests.send(self._outbox, request, inbox, put)
        try:
            self._requests.hurry()
            result = await inbox.came
        except BaseException:
            self._requests.give_up(self._outbox, number)
            raise
        return _value(result)

    def _call(self, command: str, more: dict[str, Any]) -> pb.Request:
        return pb.Request(
            parent=self._parent, command=command, pool=more["pool"], session=more["session"],
            timeout_seconds=more["timeout"] or 0.0, takes_parts=True,
        )  # fmt: skip

    def _tool(self, call: ToolCall) -> pb.Request:
        return pb.Request(parent=self._parent, command=call.name, tool=True, takes_parts=True)

    def _query(self, query: dict[str, Any]) -> pb.Request:
        try:
            return pb.Request(parent=self._parent, query=_encoded(query), takes_parts=True)
        except jsonio.NoJsonForm as error:
            raise InvalidValueError("invalid_value", str(error)) from None


class _Waiting:
    """The inbox of a thread that waits."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.came: queue.SimpleQueue[Reply] = queue.SimpleQueue()

    def answered(self, result: Reply) -> None:
        self.came.put(result)

    def part(self, chunks: pb.Chunks) -> None:
        """Only what has asked for a stream gets parts."""


class _Awaited:
    """The inbox of a task that waits. Must be made in its event loop."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self._loop = asyncio.get_running_loop()
        self.came: asyncio.Future[Reply] = self._loop.create_future()

    def answered(self, result: Reply) -> None:
        try:
            self._loop.call_soon_threadsafe(_deliver, self.came, result)
        except RuntimeError:  # the loop was closed meanwhile: no handler waits
            return

    def part(self, chunks: pb.Chunks) -> None:
        """Only what has asked for a stream gets parts."""


def _arguments(call: ToolCall, segments: Segments | None) -> Arguments:
    try:
        return Arguments(call.arguments, segments)
    except jsonio.NoJsonForm as error:
        raise InvalidValueError("invalid_value", str(error)) from None


def _changes(query: dict[str, Any] | ToolCall) -> Changes:
    return query.changes if isinstance(query, Change) else None


def _refuse_in_fork() -> None:
    if is_forked():
        raise CallFailedError("unavailable", "a process that a handler has forked cannot make calls")


def _encoded(query: dict[str, Any]) -> bytes:
    """JSON, or a message with parts when the value of a variable is a long array."""
    values = query.get("values")
    if not has_array(query.get("value")) and not (values and any(map(has_array, values.values()))):
        return jsonio.dumps(query)
    parts: list[Buffer] = []
    text = jsonparts.dumps(query, parts)
    try:
        return b"".join(pack(text, parts))
    except BinaryError as error:
        raise jsonio.NoJsonForm(str(error)) from None


def _deliver(came: asyncio.Future[Reply], result: Reply) -> None:
    if not came.done():
        came.set_result(result)


def _value(result: Reply) -> bytes:
    if isinstance(result, LongReply):
        return result.value
    if result.HasField("failure"):
        said = result.failure
        error = error_of(said.name or "command_failed", said.message, said.type, said.traceback)
        error.wants_json = said.wants_json
        raise error
    return result.value


def _answer(data: bytes) -> Any:
    """A reply. One that may be kept says how large it is. Arrays are read-only views into it."""
    answer = partarguments.read(data, {}) if is_message(data) else jsonio.loads(data)
    if type(answer) is dict and "lease" in answer:
        answer["size"] = len(data)
    return answer
