"""What programs of the JSON dialect ask while they serve a request: calls, calls of tools, and queries about state.

docs/reference/stdio-protocol.md is the specification.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass
class _Ask:
    number: int
    """The program's own."""
    within: int
    """The request of the program's that it serves."""
    owed: int = 0
    """Bytes of chunks for which no room has been made again, because the program does not read."""


class Asks:
    """The open asks of one program."""

    def __init__(self, said: Callable[[pb.FromWorker], None], write: Callable[[dict[str, Any]], None]) -> None:
        self._said = said
        self._write = write
        self._ids = itertools.count(1)
        self._open: dict[int, _Ask] = {}
        """By Request.id."""
        self._full = False

    def __bool__(self) -> bool:
        return bool(self._open)

    def take(self, ask: int, line: bytes, calls: Callable[[int], int | None]) -> str:
        """`calls`: the call of a request that is open. Returns how the program breaks the protocol, or nothing."""
        if not 0 < ask <= _LARGEST_NUMBER:
            return f"an ask has a number from 1 on, not {ask}"
        if any(one.number == ask for one in self._open.values()):
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
        number = next(self._ids)
        self._open[number] = _Ask(ask, found.within or 0)
        self._said(pb.FromWorker(requests=[_request(number, parent, found)]))

    def give_up(self, ask: int) -> None:
        """The program cancels an ask, which is still answered. One that has been answered is ignored."""
        self._withdraw([number for number, one in self._open.items() if one.number == ask])

    def over(self, request: int) -> None:
        """The program has answered this request."""
        self._withdraw([number for number, one in self._open.items() if one.within == request])

    def reply(self, result: pb.Result) -> None:
        known = self._open.pop(result.id, None)
        if known is None:
            return
        if not result.HasField("failure"):
            self._write({"answer": known.number, "value": msgspec.Raw(result.value)})
            return
        said = result.failure
        self._refuse(known.number, said.name, said.message, type=said.type, traceback=said.traceback)

    def chunks(self, request: int, lines: bytes) -> None:
        known = self._open.get(request)
        if known is None:
            return
        for line in lines.split(b"\n")[:-1]:
            self._write({"answer": known.number, "chunk": msgspec.Raw(line)})
        known.owed += len(lines)
        self._make_room()

    def flows(self, *, full: bool) -> None:
        """Whether the pipe to the program is full."""
        self._full = full
        self._make_room()

    def _make_room(self) -> None:
        if self._full:
            return
        for number, one in self._open.items():
            if one.owed:
                self._said(pb.FromWorker(credits=[pb.Credit(id=number, bytes=one.owed)]))
                one.owed = 0

    def _withdraw(self, numbers: list[int]) -> None:
        if numbers:
            self._said(pb.FromWorker(withdrawals=numbers))

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
    request = pb.Request(id=number, parent=parent, stream=line.stream, credit_bytes=ROOM if line.stream else 0)
    if line.query is not msgspec.UNSET:
        request.query = bytes(line.query)
        # Queries that stream say so by themselves.
        request.stream, request.credit_bytes = True, ROOM
        return request
    request.command, request.args = line.command or line.tool or "", bytes(line.args)
    request.pool, request.session, request.timeout_seconds = line.pool, line.session, line.timeout
    request.tool = line.tool is not None
    return request
