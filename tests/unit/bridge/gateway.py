"""A small server that speaks the worker contract, for driving real workers from tests."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

# Workers are started while grpc's threads run here: its handlers for forks would break them.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import grpc
from snakepit_bridge import worker_pb2 as pb

PATIENCE = 15.0


class Gone(Exception):  # noqa: N818
    """The worker has ended its stream."""


class Attached:
    """One worker on its stream."""

    def __init__(self, first: pb.FromWorker) -> None:
        self.first = first
        self.hello = first.hello
        self.outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.incoming: queue.SimpleQueue[pb.FromWorker | None] = queue.SimpleQueue()
        self.results: dict[int, pb.Result] = {}
        self.lines: dict[int, bytes] = {}
        self.blocks: dict[int, list[bytes]] = {}
        """What `lines` was made of."""
        self.counts: dict[int, int] = {}
        self.failed: dict[int, list[int]] = {}
        self.messages = 0
        self.pongs: list[int] = []
        self.requests: list[pb.Request] = []
        self.withdrawals: list[int] = []
        self.invalidated: list[int] = []
        self.granted: dict[int, int] = {}
        """Room for the chunks of requests."""
        self._next = 0

    # ------------------------------------------------------------------ saying

    def say(self, **fields: Any) -> None:
        self.outgoing.put(pb.ToWorker(**fields).SerializeToString())

    def call(
        self, command: str, args: bytes = b"{}", *, stream: bool = False, credit: int = 1 << 20, **more: Any
    ) -> int:
        call = self.new_call(command, args, stream=stream, credit=credit, **more)
        self.say(calls=[call])
        return call.id

    def new_call(
        self, command: str, args: bytes = b"{}", *, stream: bool = False, credit: int = 1 << 20, **more: Any
    ) -> pb.Call:
        self._next += 1
        return pb.Call(id=self._next, command=command, args=args, stream=stream, credit_bytes=credit, **more)

    def cancel(self, call_id: int) -> None:
        self.say(cancels=[pb.Cancel(id=call_id)])

    def credit(self, call_id: int, room: int) -> None:
        self.say(credits=[pb.Credit(id=call_id, bytes=room)])

    def hang_up(self) -> None:
        self.outgoing.put(None)

    # ------------------------------------------------------------------ hearing

    def take(self, timeout: float = PATIENCE) -> None:
        """The next message; Gone at the end of the stream."""
        message = self.incoming.get(timeout=timeout)
        if message is None:
            raise Gone
        self.messages += 1
        for chunks in message.chunks:
            assert chunks.lines.endswith(b"\n")
            assert chunks.count == (1 if chunks.lines[:1] == b"\0" else chunks.lines.count(b"\n"))
            assert chunks.id not in self.results, "a chunk after the result"
            self.lines[chunks.id] = self.lines.get(chunks.id, b"") + chunks.lines
            self.blocks.setdefault(chunks.id, []).append(chunks.lines)
            before = self.counts.get(chunks.id, 0)
            self.failed.setdefault(chunks.id, []).extend(before + position for position in chunks.failed)
            self.counts[chunks.id] = before + chunks.count
        for result in message.results:
            assert result.id not in self.results, "a second result"
            self.results[result.id] = result
        self.requests.extend(message.requests)
        self.withdrawals.extend(message.withdrawals)
        self.invalidated.extend(message.invalidated)
        for credit in message.credits:
            self.granted[credit.id] = self.granted.get(credit.id, 0) + credit.bytes
        if message.HasField("pong"):
            self.pongs.append(message.pong.nonce)

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.take()

    def result(self, call_id: int) -> pb.Result:
        self.until(lambda: call_id in self.results)
        return self.results[call_id]

    def value(self, command: str, args: bytes = b"{}", **more: Any) -> bytes:
        result = self.result(self.call(command, args, **more))
        assert result.WhichOneof("outcome") == "value", result.failure
        return result.value

    def failure(self, command: str, args: bytes = b"{}", **more: Any) -> pb.Failure:
        result = self.result(self.call(command, args, **more))
        assert result.WhichOneof("outcome") == "failure", result.value[:200]
        return result.failure

    # ------------------------------------------------------------------ requests of handlers

    def request(self) -> pb.Request:
        """The next request that a handler makes."""
        self.until(lambda: bool(self.requests))
        return self.requests.pop(0)

    def query(self) -> tuple[int, dict[str, Any]]:
        """The number of the next request, and what it asks."""
        request = self.request()
        asked: dict[str, Any] = json.loads(request.query)
        return request.id, asked

    def reply(self, number: int, value: Any) -> None:
        self.say(replies=[pb.Result(id=number, value=json.dumps(value).encode())])

    def refuse(self, number: int, kind: str, message: str = "no") -> None:
        failure = pb.Failure(name=kind, message=message)
        self.say(replies=[pb.Result(id=number, failure=failure)])

    def reply_part(self, number: int, *values: Any) -> None:
        lines = b"".join(json.dumps(one).encode() + b"\n" for one in values)
        self.say(reply_chunks=[pb.Chunks(id=number, lines=lines, count=len(values))])

    def invalidate(self, number: int, session: str, *names: str) -> None:
        self.say(invalidations=[pb.Invalidation(id=number, session=session, names=names)])

    def ping(self, nonce: int = 7) -> None:
        """Returns when the worker has handled everything that was sent before."""
        self.say(ping=pb.Ping(nonce=nonce))
        self.until(lambda: nonce in self.pongs)
        self.pongs.remove(nonce)

    def until_gone(self) -> None:
        try:
            while True:
                self.take()
        except Gone:
            pass


class Gateway:
    """Listens on a Unix socket; hands out workers as they attach."""

    def __init__(self, path: Path, *, limit: int = 1 << 20, refuse: grpc.StatusCode | None = None) -> None:
        self.path = path
        self.address = f"unix:{path}"
        self.limit = limit
        self.refuse = refuse
        self.attached: queue.SimpleQueue[Attached] = queue.SimpleQueue()
        self._open: list[Attached] = []
        self._server: grpc.Server | None = None
        self.start()

    def start(self) -> None:
        server = grpc.server(
            futures.ThreadPoolExecutor(48),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        handler = grpc.stream_stream_rpc_method_handler(self._attach)
        service = grpc.method_handlers_generic_handler("snakepit.worker.v1.Gateway", {"Attach": handler})
        server.add_generic_rpc_handlers((service,))
        assert server.add_insecure_port(self.address)
        server.start()
        self._server = server

    def stop(self) -> None:
        if self._server is not None:
            for one in self._open:
                one.hang_up()
            self._server.stop(0).wait()
            self._server = None

    def next(self, timeout: float = PATIENCE) -> Attached:
        return self.attached.get(timeout=timeout)

    def _attach(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            first = pb.FromWorker.FromString(next(requests))
        except (StopIteration, grpc.RpcError):
            return
        if self.refuse is not None:
            context.abort(self.refuse, "the test says no")
        one = Attached(first)
        self._open.append(one)
        threading.Thread(target=_listen, args=(requests, one), daemon=True).start()
        self.attached.put(one)
        yield pb.ToWorker(welcome=pb.Welcome(protocol=1, max_message_bytes=self.limit)).SerializeToString()
        while (message := one.outgoing.get()) is not None:
            yield message


def _listen(requests: Iterator[bytes], one: Attached) -> None:
    try:
        for raw in requests:
            one.incoming.put(pb.FromWorker.FromString(raw))
    except Exception:  # noqa: BLE001 - the end of the stream, in whatever form
        pass
    finally:
        one.incoming.put(None)
        one.hang_up()
