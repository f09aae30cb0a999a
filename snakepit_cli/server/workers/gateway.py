"""The gateway: workers dial in here, identify themselves, and take calls.

Messages of the worker contract (proto/snakepit/worker/v1) over the gRPC of wire.http2. What is sent to a worker in one
iteration of the event loop leaves in one message.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from snakepit_cli.server.calls.credit import WINDOW
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.peers import peer_uid
from snakepit_cli.wire import http2
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.binary import is_message
from snakepit_cli.wire.http2 import Status
from snakepit_cli.wire.worker import MalformedError, from_worker

PROTOCOL = 2
_OLDEST = 1
PATH = "/snakepit.worker.v1.Gateway/Attach"
_HEADROOM = 4 << 20
"""What a message may hold beyond one answer of the largest size: chunks and other answers that travel with it."""
_GREETING_SECONDS = 30.0
_LONG = 1 << 20
"""Bytes of answers in a message that is not held back for more."""


class NotAdmittedError(Exception):
    """The worker is not let in."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status


class Guest(Protocol):
    """Handler of an attached worker's messages."""

    def heard(self, message: pb.FromWorker) -> None: ...

    def hung_up(self) -> None: ...


class Registrar(Protocol):
    """What the gateway needs to know of the pools."""

    max_message_bytes: int
    coalescer: Coalescer

    def welcome(self, hello: pb.Hello, link: WorkerLink) -> Guest:
        """Called once for each worker that says hello. Raises NotAdmittedError."""

    def start_failed(self, report: pb.StartFailure) -> None:
        """Called when a worker says that it cannot get ready. Raises NotAdmittedError."""


class WorkerLink:
    """The way to one attached worker that has dialled in."""

    why_silent = ""

    def __init__(self, stream: http2.Stream, coalescer: Coalescer, protocol: int, *, runs_batches: bool) -> None:
        """`protocol`: the version of the contract that is spoken on it."""
        self.runs_batches = runs_batches
        self._stream = stream
        self._coalescer = coalescer
        self.protocol = protocol
        self._next: pb.ToWorker | None = None
        self._answers = 0
        """Bytes of answers in it."""

    @property
    def unread(self) -> int:
        """Bytes that wait to be sent."""
        return self._answers + self._stream.unread

    def welcome(self, welcome: pb.Welcome) -> None:
        welcome.protocol = self.protocol
        self._message().welcome.MergeFrom(welcome)

    def call(
        self,
        call_id: int,
        command: str,
        args: bytes,
        *,
        session: str,
        timeout: float,
        stream: bool,
        cwd: str,
        block: pb.Block | None = None,
        nan_is_null: bool = False,
        metadata: bytes = b"",
        tool: bool = False,
        takes_parts: bool = False,
        args_ref: pb.Reference | None = None,
        takes_references: bool = False,
    ) -> None:
        made = self._message().calls.add(
            id=call_id, command=command, args=args, session=session, timeout_seconds=timeout, stream=stream, cwd=cwd,
            credit_bytes=WINDOW if stream else 0, block=block,
        )  # fmt: skip
        # Few calls have one of these, and all would pay for them.
        if nan_is_null:
            made.nan_is_null = True
        if metadata:
            made.metadata = metadata
        if tool:
            made.tool = True
        if takes_parts:
            made.takes_parts = True
        if args_ref is not None:
            made.args_ref.MergeFrom(args_ref)
        if takes_references:
            made.takes_references = True

    def cancel(self, call_id: int) -> None:
        self._message().cancels.add(id=call_id)

    def credit(self, call_id: int, count: int) -> None:
        self._message().credits.add(id=call_id, bytes=count)

    def reply(self, result: pb.Result) -> None:
        self._message().replies.append(result)
        self._answers += len(result.value)
        if self._answers > _LONG:  # a message that others join would be longer still
            self.send()

    def reply_chunks(self, request: int, lines: bytes) -> None:
        count = 1 if is_message(lines) else lines.count(b"\n")
        self._message().reply_chunks.add(id=request, lines=lines, count=count)

    def invalidate(self, number: int, session: str, names: Iterable[str]) -> None:
        self._message().invalidations.add(id=number, session=session, names=names)

    def end_sessions(self, sessions: Iterable[str]) -> None:
        self._message().ended_sessions.extend(sessions)

    def segment_bytes(self, count: int) -> None:
        """It may have so many in all its segments."""
        self._message().segment_bytes = count

    def released(self, path: str) -> None:
        self._message().released.append(path)

    def recall(self, call_ids: Iterable[int]) -> None:
        self._message().recalls.extend(call_ids)

    def close(self) -> None:
        self.send()
        self._stream.finish(Status.OK)

    def ping(self, nonce: int) -> None:
        self._message().ping.nonce = nonce

    def drain(self) -> None:
        self._message().drain.SetInParent()

    def _message(self) -> pb.ToWorker:
        if self._next is None:
            self._next = pb.ToWorker()
            self._coalescer.begun(self.send)
        return self._next

    def send(self) -> None:
        """What was begun."""
        message, self._next, self._answers = self._next, None, 0
        if message is not None:
            self._stream.send(message.SerializeToString())


class _Attach:
    """One Attach stream: unknown until its hello, then attached."""

    def __init__(self, registrar: Registrar, stream: http2.Stream) -> None:
        self._registrar = registrar
        self._stream = stream
        self._guest: Guest | None = None
        self._patience = asyncio.get_running_loop().call_later(
            _GREETING_SECONDS, stream.finish, Status.INVALID_ARGUMENT, "nothing was said"
        )

    def message(self, data: bytes) -> None:
        try:
            message = from_worker(data)
        except MalformedError as error:
            self._stream.finish(Status.INVALID_ARGUMENT, str(error))
            return
        if self._guest is not None:
            self._guest.heard(message)
            return
        self._patience.cancel()
        try:
            self._greet(message)
        except NotAdmittedError as refusal:
            self._stream.finish(refusal.status, str(refusal))

    def ended(self) -> None:
        self._patience.cancel()
        if self._guest is not None:
            self._guest.hung_up()

    def _greet(self, message: pb.FromWorker) -> None:
        if message.HasField("start_failure"):
            self._registrar.start_failed(message.start_failure)
            self._stream.finish(Status.OK)
            return
        if not message.HasField("hello"):
            raise NotAdmittedError(Status.INVALID_ARGUMENT, "the first message must be hello or start_failure")
        hello = message.hello
        spoken = min(PROTOCOL, hello.protocol_max)
        if spoken < max(_OLDEST, hello.protocol_min):
            ours, its = f"{_OLDEST} to {PROTOCOL}", f"{hello.protocol_min} to {hello.protocol_max}"
            text = f"the server speaks protocol {ours}, the worker {its}"
            raise NotAdmittedError(Status.FAILED_PRECONDITION, text)
        link = WorkerLink(self._stream, self._registrar.coalescer, spoken, runs_batches=hello.runs_batches)
        self._guest = self._registrar.welcome(hello, link)


class _Connection(asyncio.Protocol):
    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._transport: asyncio.Transport
        self._http: http2.Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        limit = self._registrar.max_message_bytes + _HEADROOM
        self._http = http2.Connection(
            self._transport.write, self._opened, max_message=limit, unwritten=self._transport.get_write_buffer_size
        )
        if peer_uid(transport) not in {None, os.geteuid()}:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        coalescer = self._registrar.coalescer
        coalescer.held = True
        try:
            self._http.receive(data)
        except http2.ProtocolError as error:
            self._http.goodbye(error.code)
            self._transport.close()
        finally:
            coalescer.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 — the reason changes nothing
        self._http.lost()

    def _opened(self, stream: http2.Stream, path: str) -> None:
        if path == PATH:
            stream.listener = _Attach(self._registrar, stream)
        else:
            stream.finish(Status.UNIMPLEMENTED, f"no method {path}")


async def listen(registrar: Registrar, path: str) -> asyncio.Server:
    """Accepts workers at this socket for as long as the caller keeps the returned server."""
    return await asyncio.get_running_loop().create_unix_server(lambda: _Connection(registrar), sock=_bound(path))


def _bound(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    Path(path).unlink(missing_ok=True)  # left by the server before us
    listener.bind(path)
    return listener
