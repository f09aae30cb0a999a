"""The worker of the transport benchmark: answers each call at once, over our transport or over grpcio."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from typing import Any

from snakepit_bridge import worker_pb2 as pb

METHOD = "/snakepit.worker.v1.Gateway/Attach"
VALUE = b'{"status":"pong","timestamp":1700000000.0}'
HELLO = pb.FromWorker(
    hello=pb.Hello(token="-", worker="echo-1", language="python", protocol_min=1, protocol_max=1, capacity=1)
)


def ours(address: str) -> None:
    from snakepit_bridge.runtime.http2 import GatewayStream
    from snakepit_bridge.runtime.outbox import Outbox

    outbox = Outbox(HELLO, lambda: None)
    stream = GatewayStream(address, METHOD, outbox)
    lines: Any = type("Call", (), {"id": 0, "lines": []})()
    while (messages := stream.receive()) is not None:
        for raw in messages:
            for call in pb.ToWorker.FromString(raw).calls:
                outbox.put_result(pb.Result(id=call.id, value=VALUE), lines)


def grpcio(address: str) -> None:
    import grpc

    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    waiting.put(HELLO.SerializeToString())

    def outgoing() -> Iterator[bytes]:
        while True:
            yield waiting.get()

    with grpc.insecure_channel(address, options=(("grpc.default_authority", "localhost"),)) as channel:
        for raw in channel.stream_stream(METHOD)(outgoing()):
            for call in pb.ToWorker.FromString(raw).calls:
                result = pb.Result(id=call.id, value=VALUE)
                waiting.put(pb.FromWorker(results=[result]).SerializeToString())


if __name__ == "__main__":
    {"ours": ours, "grpcio": grpcio}[sys.argv[1]](sys.argv[2])
