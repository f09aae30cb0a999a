"""A worker that keeps every promise but one: `bad_worker.py FAULT`."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections import deque
from typing import Any

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.runtime.http2 import GatewayStream

FAULT = sys.argv[1]
NAMES = ("conformance", "echo", "count", "nap", "say", "add", "fail", "unfit")


class Box:
    """What the transport asks: messages, one after another."""

    idle = False
    closing = False

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.wake: Any = None

    def pending(self) -> bool:
        return bool(self.messages)

    def take(self) -> bytes | None:
        return self.messages.popleft() if self.messages else None

    def say(self, **parts: Any) -> None:
        self.messages.append(pb.FromWorker(**parts).SerializeToString())
        self.wake()


def hello(token: str) -> pb.Hello:
    commands = [pb.CommandSpec(name=name, streaming=name == "count", open=True) for name in NAMES]
    if FAULT == "twins":
        commands.append(commands[0])
    return pb.Hello(
        token="" if FAULT == "no-token" else token, worker=os.environ["SNAKEPIT_WORKER_ID"], language="test",
        protocol_min=2 if FAULT == "newer" else 1, protocol_max=2, capacity=0 if FAULT == "lazy" else 1,
        commands=commands,
    )  # fmt: skip


def failure(call: pb.Call, kind: int, message: str, **more: str) -> pb.Result:
    return pb.Result(id=call.id, failure=pb.Failure(kind=kind, message=message, **more))


def answer(box: Box, call: pb.Call) -> None:
    kinds = pb.Failure.Kind
    if call.command not in NAMES:
        kind = kinds.COMMAND_FAILED if FAULT == "vague" else kinds.COMMAND_NOT_FOUND
        box.say(results=[failure(call, kind, "no such command")])
        return
    try:
        args = json.loads(call.args)
        assert isinstance(args, dict) or FAULT == "anything"
    except (ValueError, AssertionError):
        box.say(results=[failure(call, kinds.INVALID_ARGUMENTS, "not JSON")])
        return
    if call.command == "fail":
        box.say(
            results=[failure(call, kinds.COMMAND_FAILED, args["message"], type="" if FAULT == "untyped" else "Err")]
        )
    elif call.command == "unfit" and (not call.nan_is_null or FAULT == "strict"):
        box.say(results=[failure(call, kinds.INVALID_RESULT, "NaN")])
    elif call.command == "unfit":
        box.say(results=[pb.Result(id=call.id, value=b"null")])
    elif call.command == "add" and "a" not in args:
        box.say(results=[failure(call, kinds.INVALID_ARGUMENTS, "missing")])
    elif call.command == "count":
        stream(box, call, args["n"])
    elif call.command == "add":
        box.say(results=[pb.Result(id=call.id, value=json.dumps({"sum": args["a"] + args.get("b", 1)}).encode())])
    elif call.command != "nap":
        value = json.dumps(
            {name: float(one) if type(one) is int and FAULT == "floats" else one for name, one in args.items()}
        )
        result = pb.Result(id=call.id + (FAULT == "wrong-id"), value=value.encode())
        box.say(results=[result] * (2 if FAULT == "twice" else 1))


def stream(box: Box, call: pb.Call, n: int) -> None:
    most = n if n <= 5000 else 1_000_000 if FAULT == "greedy" else 50
    lines = "".join(f"{number}\n" for number in range(most))
    count = most + (FAULT == "miscounts")
    box.say(chunks=[pb.Chunks(id=call.id, lines=lines.encode(), count=count)])
    if FAULT != "endless" and n <= 5000:
        box.say(results=[pb.Result(id=call.id, value=b"null")])


def main() -> None:
    token = os.read(int(os.environ["SNAKEPIT_TOKEN_FD"]), 100).decode()
    lifeline = int(os.environ["SNAKEPIT_LIFELINE_FD"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN if FAULT == "deaf" else lambda *_: os._exit(0))
    box = Box()
    link = GatewayStream(os.environ["SNAKEPIT_GATEWAY"], "/snakepit.worker.v1.Gateway/Attach", box)  # type: ignore[arg-type]
    box.say(hello=hello(token))
    if FAULT == "hello-twice":
        box.say(hello=hello(token))
    while True:
        ready = select.select([link.fileno(), lifeline], [], [])[0]
        if lifeline in ready and FAULT != "immortal":
            os._exit(0)
        if link.fileno() not in ready:
            select.select([link.fileno()], [], [])
        messages = link.receive()
        if messages is None or link.ended:
            os._exit(1 if FAULT == "clueless" else {16: 77, 9: 76}.get(link.status[0], 1))
        for data in messages:
            message = pb.ToWorker.FromString(data)
            for call in message.calls:
                if FAULT == "garbage":
                    box.messages.append(b"\xff\xff")
                    box.wake()
                answer(box, call)
            for cancel in message.cancels:
                if FAULT != "stubborn":
                    box.say(results=[pb.Result(id=cancel.id, failure=pb.Failure(kind=pb.Failure.Kind.CANCELLED))])
            if message.HasField("ping") and FAULT != "mute":
                box.say(pong=pb.Pong(nonce=message.ping.nonce))


main()
