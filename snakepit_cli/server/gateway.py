"""The gateway: workers dial in here, say who they are, and take calls. The only place that speaks gRPC.

Messages are exchanged as bytes and parsed here, so that what the server merely passes on (arguments, results,
chunks) is not copied through a second object model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import grpc
import grpc.aio

from snakepit_cli.wire import worker_pb2 as pb

PROTOCOL = 1
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_concurrent_streams", 4096),
)
METHOD = "snakepit.worker.v1.Gateway"
CREDIT = 4 << 20
"""Bytes of chunks that a worker may be ahead of the client's socket."""


class Refused(Exception):
    """The worker is not let in; `args` are a gRPC status code and a text."""


class Host(Protocol):
    """What the gateway needs to know of the pools."""

    max_message_bytes: int

    def welcome(self, hello: pb.Hello, link: WorkerLink) -> Guest:
        """Called once for each worker that says hello. Raises Refused."""

    def start_failed(self, report: pb.StartFailure) -> None:
        """Called when a worker says that it cannot get ready. Raises Refused."""


class Guest(Protocol):
    """Where an attached worker's messages go."""

    def heard(self, message: pb.FromWorker) -> None: ...

    def hung_up(self) -> None: ...


class WorkerLink:
    """The way to one attached worker. Everything said between two writes travels in one message."""

    def __init__(self) -> None:
        self._next = pb.ToWorker()
        self._wake = asyncio.Event()

    def welcome(self, protocol: int, max_message_bytes: int) -> None:
        self._next.welcome.protocol = protocol
        self._next.welcome.max_message_bytes = max_message_bytes
        self._wake.set()

    def call(self, call_id: int, command: str, args: bytes, *, session: str, timeout: float, stream: bool, cwd: str) -> None:
        self._next.calls.add(
            id=call_id, command=command, args=args, session=session, timeout_seconds=timeout, stream=stream, cwd=cwd,
            credit_bytes=CREDIT if stream else 0,
        )  # fmt: skip
        self._wake.set()

    def cancel(self, call_id: int) -> None:
        self._next.cancels.add(id=call_id)
        self._wake.set()

    def credit(self, call_id: int, count: int) -> None:
        self._next.credits.add(id=call_id, bytes=count)
        self._wake.set()

    def drain(self) -> None:
        self._next.drain.SetInParent()
        self._wake.set()

    async def write_to(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            message, self._next = self._next, pb.ToWorker()
            await context.write(message.SerializeToString())


class Gateway:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._server = grpc.aio.server(options=OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(self._attach)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(METHOD, {"Attach": handler}),))

    async def start(self, path: str) -> None:
        if self._server.add_insecure_port(f"unix:{path}") == 0:
            raise OSError(f"the gateway cannot listen on {path}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)

    async def _attach(
        self, stream: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        link = WorkerLink()
        try:
            guest = await self._greet(stream, link)
        except Refused as refusal:
            code, text = refusal.args
            await context.abort(code, text)
            return
        if guest is None:
            return
        writer = asyncio.create_task(link.write_to(context))
        parse = pb.FromWorker.FromString
        try:
            async for data in stream:
                guest.heard(parse(data))
        finally:
            writer.cancel()
            guest.hung_up()

    async def _greet(self, stream: AsyncIterator[bytes], link: WorkerLink) -> Guest | None:
        """None when the worker only came to say that it failed."""
        async for data in stream:
            first: Any = pb.FromWorker.FromString(data)
            if first.HasField("start_failure"):
                self._host.start_failed(first.start_failure)
                return None
            if not first.HasField("hello"):
                break
            hello = first.hello
            if not hello.protocol_min <= PROTOCOL <= hello.protocol_max:
                text = f"the server speaks protocol {PROTOCOL}, the worker {hello.protocol_min} to {hello.protocol_max}"
                raise Refused(grpc.StatusCode.FAILED_PRECONDITION, text)
            guest = self._host.welcome(hello, link)
            link.welcome(PROTOCOL, self._host.max_message_bytes)
            return guest
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be hello or start_failure")
