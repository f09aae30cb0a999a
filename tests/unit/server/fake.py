"""A front connection between a server and a transport that only remember."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.call import Call, Header
from snakepit_cli.server.doors.front import Connection
from snakepit_cli.server.segments import Segments
from snakepit_cli.server.serial_spin import SerialSpin
from snakepit_cli.wire import front as wire
from snakepit_cli.wire import ops

LIMIT = 1000


class Transport:
    """Remembers what was written and done."""

    def __init__(self) -> None:
        self.pair = socket.socketpair()
        self.written = b""
        self.aborted = False
        self.unread = 0
        self.reading = True

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.pair[0]

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def frames(self) -> Iterator[tuple[str, int, Any]]:
        """Kind, request and body of each frame; errors by their kind."""
        data = self.written
        while data:
            end = 5 + int.from_bytes(data[1:5], "big")
            kind, request, body = chr(data[0]), int.from_bytes(data[5:9], "big"), data[9:end]
            yield kind, request, json.loads(body)["kind"] if kind == "E" else body
            data = data[end:]


class Coalescer:
    """Nothing waits for the end of the turn."""

    held = False

    def begun(self, finish: Callable[[], None]) -> None:
        finish()

    def flush(self) -> None:
        self.held = False


class MallocTuning:
    """No memory is kept."""

    def used(self) -> None:
        pass


class Host:
    """The rest of the server: keeps the calls, answers when the test says so. Its own pool."""

    def __init__(self) -> None:
        self.max_message_bytes = LIMIT
        self.coalescer = Coalescer()
        self.malloc_tuning = MallocTuning()
        self.spin = SerialSpin()
        self.segments = Segments(None)
        self.calls: list[Call] = []
        self.cancelled: list[int] = []
        self.resumed: list[int] = []
        self.refuse: PitError | None = None
        self.settle_at_once = False
        self.has_work = False

    def submit(self, caller: Any, request: int, header: Header, args: bytes) -> tuple[Any, Call]:
        if self.refuse:
            raise self.refuse
        call = Call(len(self.calls) + 1, caller, request, header, args)
        self.calls.append(call)
        if self.settle_at_once:
            self.settle(call)
        return self, call

    def settle(self, call: Call, value: bytes = b"1") -> None:
        call.open = False
        call.caller.result(call.request, value)

    def cancel(self, call: Call) -> None:
        self.cancelled.append(call.request)

    def resume(self, call: Call) -> None:
        self.resumed.append(call.request)

    def busy(self) -> bool:
        return self.has_work


class Client:
    """A connection and what it stands between."""

    def __init__(self, query: Callable[[ops.Request], Coroutine[Any, Any, Any]] | None = None) -> None:
        self.host, self.transport = Host(), Transport()
        self.connections: set[Connection] = set()
        ask = query or _echo
        self.connection = Connection(self.host, lambda fields, _: ask(fields), self.connections)  # type: ignore[arg-type]
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self.transport.pair:
            end.close()

    def say(self, *frames: bytes) -> None:
        self.connection.data_received(b"".join(frames))
        assert not self.host.coalescer.held

    @property
    def heard(self) -> list[tuple[str, int, Any]]:
        return list(self.transport.frames())


async def _echo(request: ops.Request) -> Any:
    return request


def call(request: int = 1, args: bytes = b"{}", version: str = __version__, **more: Any) -> bytes:
    body = wire.call_body("ping", args, version=version, cwd="/", **more)
    return wire.frame(wire.CALL, request, body)


def query(request: int, body: bytes = b'{"op":"ping"}') -> bytes:
    return wire.frame(wire.QUERY, request, body)


def cancel(request: int) -> bytes:
    return wire.frame(wire.CANCEL, request, b"")


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
