"""What programs of the JSON dialect ask while they serve a request: calls, calls of tools, and queries about state.

docs/reference/stdio-protocol.md is the specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from snakepit_cli.wire import worker_pb2 as pb

MOST_ASKS = 1000
"""Asks that one program may have open."""
ROOM = 1 << 18
"""Bytes of chunks of one ask that may be under way."""
_LARGEST_NUMBER = 1 << 53


class _Line(msgspec.Struct):
    """A line of the program that asks."""

    query: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    command: str | None = None
    tool: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")
    pool: str = ""
    session: str = ""
    timeout: Annotated[float, Meta(ge=0)] = 0.0
    stream: bool = False
    within: int | None = msgspec.field(default=None, name="in")


_decode = msgspec.json.Decoder(_Line).decode


class _RefusedError(Exception):
    """Such an ask is answered with an error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Asks:
    """The open asks of one program. The number of an ask is also the id of its Request."""

    def __init__(self, said: Callable[[pb.FromWorker], None], write: Callable[[dict[str, Any]], None]) -> None:
        self._said = said
        self._write = write
        self._open: dict[int, int] = {}
        """The request of the program's that each serves."""
        self._owed: dict[int, int] = {}
        """Bytes of chunks for which no room has been made again, because the program does not read."""
        self._full = False

    def __bool__(self) -> bool:
        return bool(self._open)

    def take(self, ask: int, line: bytes, calls: Callable[[int], int | None]) -> str:
        """`calls`: the call of a request that is open. Returns how the program breaks the protocol, or nothing."""
        if not 0 < ask <= _LARGEST_NUMBER:
            return f"an ask has a number from 1 on, not {ask}"
        if ask in self._open:
            return f"it asked {ask} again, which is not answered yet"
        try:
            self._ask(ask, line, calls)
        except _RefusedError as refusal:
            self._refuse(ask, refusal.kind, str(refusal))
        return ""

    def _ask(self, ask: int, line: bytes, calls: Callable[[int], int | None]) -> None:
        found = _checked(line)
        parent = calls(found.within or 0)
        if parent is None:
            raise _RefusedError("cancelled", f"request {found.within} is not open")
        if len(self._open) >= MOST_ASKS:
            raise _RefusedError("quota_exceeded", f"{MOST_ASKS:,} asks wait for their answers already")
        self._open[ask] = found.within or 0
        self._said(pb.FromWorker(requests=[_request(ask, parent, found)]))

    def give_up(self, ask: int) -> None:
        """The program cancels an ask, which is still answered. One that has been answered is ignored."""
        if ask in self._open:
            self._withdraw([ask])

    def over(self, request: int) -> None:
        """The program has answered this request."""
        if given_up := [ask for ask, within in self._open.items() if within == request]:
            self._withdraw(given_up)

    def reply(self, result: pb.Result) -> None:
        if self._open.pop(result.id, None) is None:
            return
        self._owed.pop(result.id, None)
        if not result.HasField("failure"):
            self._write({"answer": result.id, "value": msgspec.Raw(result.value)})
            return
        said = result.failure
        self._refuse(result.id, said.name, said.message, type=said.type, traceback=said.traceback)

    def chunks(self, ask: int, lines: bytes) -> None:
        if ask not in self._open:
            return
        for line in lines.split(b"\n")[:-1]:
            self._write({"answer": ask, "chunk": msgspec.Raw(line)})
        self._owed[ask] = self._owed.get(ask, 0) + len(lines)
        self._make_room()

    def flows(self, *, full: bool) -> None:
        """Whether the pipe to the program is full."""
        self._full = full
        self._make_room()

    def _make_room(self) -> None:
        if self._owed and not self._full:
            owed, self._owed = self._owed, {}
            self._said(pb.FromWorker(credits=[pb.Credit(id=ask, bytes=size) for ask, size in owed.items()]))

    def _withdraw(self, asks: list[int]) -> None:
        self._said(pb.FromWorker(withdrawals=asks))

    def _refuse(self, ask: int, kind: str, message: str, **more: str) -> None:
        facts = {name: text for name, text in more.items() if text}
        self._write({"answer": ask, "error": {"kind": kind, "message": message, **facts}})


def _checked(line: bytes) -> _Line:
    try:
        found = _decode(line)
    except msgspec.MsgspecError as error:
        raise _RefusedError("usage", f"malformed ask: {error}") from None
    if found.within is None:
        raise _RefusedError("usage", 'an ask is made within a request: "in" must be its id')
    if [found.query is not msgspec.UNSET, found.command is not None, found.tool is not None].count(True) != 1:
        raise _RefusedError("usage", "an ask has one of query, command and tool")
    return found


def _request(number: int, parent: int, line: _Line) -> pb.Request:
    # Queries that stream say so by themselves.
    stream = line.stream or line.query is not msgspec.UNSET
    request = pb.Request(id=number, parent=parent, stream=stream, credit_bytes=ROOM if stream else 0)
    if line.query is not msgspec.UNSET:
        request.query = bytes(line.query)
        return request
    request.command, request.args = line.command or line.tool or "", bytes(line.args)
    request.pool, request.session, request.timeout_seconds = line.pool, line.session, line.timeout
    request.tool = line.tool is not None
    return request
