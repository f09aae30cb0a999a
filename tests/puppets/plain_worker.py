"""A worker in nothing but grpcio: what any language's ordinary gRPC client does on the gateway."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import grpc

from snakepit_cli.wire import worker_pb2 as pb

PATH = "/snakepit.worker.v1.Gateway/Attach"
OPTIONS = [
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Each channel makes a connection of its own, as workers do.
    ("grpc.use_local_subchannel_pool", 1),
]


class PlainWorker:
    """One stream on one connection. `say` sends, `hear` waits for the server's next message."""

    def __init__(self, socket: str, path: str = PATH) -> None:
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(f"unix:{socket}", OPTIONS)
        method = self._channel.stream_stream(path, response_deserializer=pb.ToWorker.FromString)
        self.stream = method(self._sent(), timeout=60)

    def __enter__(self) -> PlainWorker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.finish()
        self._channel.close()

    def _sent(self) -> Iterator[bytes]:
        while (data := self._outgoing.get()) is not None:
            yield data

    def say(self, **fields: Any) -> None:
        self.say_bytes(pb.FromWorker(**fields).SerializeToString())

    def say_bytes(self, data: bytes) -> None:
        self._outgoing.put(data)

    def hello(self, token: str = "secret", worker: str = "pool-1", protocol: int = 1, **more: Any) -> None:
        self.say(hello=pb.Hello(token=token, worker=worker, protocol_min=protocol, protocol_max=protocol, **more))

    def hear(self) -> pb.ToWorker:
        message: pb.ToWorker = next(self.stream)
        return message

    def finish(self) -> None:
        """No more will be said."""
        self._outgoing.put(None)

    def status(self) -> tuple[grpc.StatusCode, str]:
        """How the stream ended; waits for it."""
        try:
            for _ in self.stream:
                pass
        except grpc.RpcError:
            pass
        return self.stream.code(), self.stream.details()
