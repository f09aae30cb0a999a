"""What the worker contract promises, promise by promise. docs/guide/write-a-bridge.md is the guide to this list.

Some checks call commands that a worker may have for this purpose (`echo`, `count`, …, listed there); without them they
are passed over, and said to be.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from snakepit_cli.conformance.peer import LIMIT, PATIENCE, FailedError, Peer
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.http2 import Status

Kind = pb.Failure.Kind
MARK = "conformance"
"""A command of this name says that commands named as ours are meant for us. It is never called."""
MANY = 100_000_000
VALUES: tuple[Any, ...] = (
    'ü\u2028\n\t"\\😀\x00', 9007199254740993, -(2**63), 2**63 - 1, -1, 0.1, 1e308, 5e-324, True, None, [], {},
    [[1], {"a": None}], "",
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    promise: str
    run: Callable[[Peer, pb.Hello], None]
    """Of a worker that has been started and, unless `bare`, welcomed."""
    needs: tuple[str, ...] = ()
    bare: bool = False
    ends: bool = False
    """The worker is of no use afterwards."""


def need(condition: object, words: str) -> None:
    if not condition:
        raise FailedError(words)


def call(peer: Peer, command: str, args: Any = None, **more: Any) -> int:
    number = peer.number()
    text = args if isinstance(args, bytes) else json.dumps(args or {}, ensure_ascii=False).encode()
    peer.send(pb.ToWorker(calls=[pb.Call(id=number, command=command, args=text, **more)]))
    return number


def value(peer: Peer, command: str, args: Any = None, **more: Any) -> Any:
    """What a command returns."""
    result = peer.result(call(peer, command, args, **more))
    need(result.WhichOneof("outcome") == "value", f"`{command}` failed: {result.failure.type} {result.failure.message}")
    return json.loads(result.value)


def failure(peer: Peer, number: int, kind: Kind) -> pb.Failure:
    result = peer.result(number)
    named = Kind.Name(result.failure.kind) if result.HasField("failure") else "a value"
    need(result.HasField("failure") and result.failure.kind == kind, f"{Kind.Name(kind)} was due, {named} came")
    return result.failure


# ------------------------------------------------------------------------------------------------ calls


def says_hello(peer: Peer, hello: pb.Hello) -> None:
    need(hello.token, "hello has no token")
    need(hello.worker == "check-1", f"hello names worker {hello.worker!r}, not SNAKEPIT_WORKER_ID")
    need(hello.language and hello.language == hello.language.lower(), "`language` is empty or not in lower case")
    need(hello.protocol_min <= 1 <= hello.protocol_max, "protocol 1 is not in its range")
    need(hello.capacity >= 1, "`capacity` is less than 1")
    names = [one.name for one in hello.commands]
    need(len(set(names)) == len(names) and all(names), "names of commands are empty or not unique")
    need(peer.process.poll() is None, "it has ended")


def names_unknown_commands(peer: Peer, _: pb.Hello) -> None:
    failure(peer, call(peer, "no-such-command"), Kind.COMMAND_NOT_FOUND)


def refuses_arguments(peer: Peer, hello: pb.Hello) -> None:
    command = hello.commands[0].name if hello.commands else "echo"
    for args in (b"[1]", b"{", b"null", b'{"a":1}x', b"\xff"):
        failure(peer, call(peer, command, args), Kind.INVALID_ARGUMENTS)


def names_missing_arguments(peer: Peer, _: pb.Hello) -> None:
    failure(peer, call(peer, "add", {"b": 1}), Kind.INVALID_ARGUMENTS)


def answers_pings(peer: Peer, _: pb.Hello) -> None:
    peer.send(pb.ToWorker(ping=pb.Ping(nonce=7)))
    need(peer.wait(pb.Pong, "a ping has no answer").nonce == 7, "the pong has another nonce")


def answers_pings_at_work(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "nap", {"seconds": 1.5})
    peer.send(pb.ToWorker(ping=pb.Ping(nonce=8)))
    peer.wait(pb.Pong, "a ping has no answer while a handler waits", 1.0)
    peer.result(number)


def answers_pings_while_it_computes(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "burn", {"seconds": 1.5})
    time.sleep(0.1)  # it is at it
    peer.send(pb.ToWorker(ping=pb.Ping(nonce=8)))
    peer.wait(pb.Pong, "a ping has no answer while a handler computes", 1.0)
    peer.result(number)


def passes_unknown_fields(peer: Peer, _: pb.Hello) -> None:
    message = pb.ToWorker(ping=pb.Ping(nonce=9)).SerializeToString()
    peer.send_raw(b"\xfa\x01\x03new" + message + b"\xc0\x3e\x05")
    peer.wait(pb.Pong, "a message with fields of a later version is not understood")


def answers_once(peer: Peer, _: pb.Hello) -> None:
    numbers = [peer.number() for _ in range(20)]
    peer.send(pb.ToWorker(calls=[pb.Call(id=n, command="echo", args=b'{"n":%d}' % n) for n in numbers]))
    for n in numbers:
        need(json.loads(peer.result(n).value) == {"n": n}, "an answer belongs to another call")
    peer.listen(0.1)
    need(not any(isinstance(part, pb.Result) for part in peer.heard), "a call has been answered twice")


def preserves_values(peer: Peer, _: pb.Hello) -> None:
    for one in VALUES:
        came = value(peer, "echo", {"value": one, "k\u00e9y": [one]})
        need(
            came == {"value": one, "k\u00e9y": [one]} and type(came["value"]) is type(one),
            f"{one!r} came back as {came}",
        )


def fills_in_defaults(peer: Peer, _: pb.Hello) -> None:
    need(value(peer, "add", {"a": 41}) == {"sum": 42}, "an argument that was left out has no default")


def tells_errors(peer: Peer, _: pb.Hello) -> None:
    found = failure(peer, call(peer, "fail", {"message": "it did nöt work"}), Kind.COMMAND_FAILED)
    need(found.type, "the failure has no `type`, the name of the error in its language")
    need("it did nöt work" in found.message, f"the message is {found.message!r}")


def refuses_unfit_results(peer: Peer, _: pb.Hello) -> None:
    failure(peer, call(peer, "unfit"), Kind.INVALID_RESULT)
    need(value(peer, "echo", {"a": 1}) == {"a": 1}, "it is of no use afterwards")


def writes_nan_as_null(peer: Peer, _: pb.Hello) -> None:
    need(value(peer, "unfit", nan_is_null=True) is None, "it was something else")


def keeps_messages_small(peer: Peer, _: pb.Hello) -> None:
    failure(peer, call(peer, "big", {"size": LIMIT + 1}), Kind.INVALID_RESULT)


def takes_large_messages(peer: Peer, _: pb.Hello) -> None:
    text = "y" * (32 << 20)
    need(value(peer, "echo", {"text": text}) == {"text": text}, "32 MiB came back otherwise")


def prints_safely(peer: Peer, _: pb.Hello) -> None:
    value(peer, "say", {"text": '{"results":[]}'})
    need(value(peer, "echo", {"a": 1}) == {"a": 1}, "a print disturbs what is said")


# ---------------------------------------------------------------------------------------------- streams


def streams(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "count", {"n": 5000}, stream=True, credit_bytes=1 << 30)
    result = peer.result(number)
    need(result.value == b"null" or json.loads(result.value) is None, "the result of a stream is not null")
    need(peer.chunks(number)[0] == [str(n) for n in range(5000)], "chunks are missing, or not in order")


def collects_streams(peer: Peer, _: pb.Hello) -> None:
    need(value(peer, "count", {"n": 3}) == [0, 1, 2], "a plain call of a streaming command does not give an array")


def streams_values(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "echo", {"a": 1}, stream=True, credit_bytes=1 << 20)
    peer.result(number)
    need([json.loads(line) for line in peer.chunks(number)[0]] == [{"a": 1}], "a plain command streams no single chunk")


def keeps_to_its_credit(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "count", {"n": MANY}, stream=True, credit_bytes=1000)
    for room in (1000, 5000):
        peer.listen(0.4)
        size = sum(len(line) + 1 for line in peer.chunks(number)[0])
        need(0 < size <= room + 100, f"{size} bytes of chunks came for {room} bytes of credit")
        peer.send(pb.ToWorker(credits=[pb.Credit(id=number, bytes=5000)]))
    peer.send(pb.ToWorker(cancels=[pb.Cancel(id=number)]))
    failure(peer, number, Kind.CANCELLED)
    peer.chunks(number)


def stops_streams(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "count", {"n": MANY}, stream=True, credit_bytes=1 << 40)
    peer.wait(pb.Chunks, "a stream does not begin")
    peer.send(pb.ToWorker(cancels=[pb.Cancel(id=number)]))
    failure(peer, number, Kind.CANCELLED)
    peer.listen(0.1)
    peer.chunks(number)


# -------------------------------------------------------------------------------------- blocks and cancels


def _block(peer: Peer, command: str, lines: bytes, **more: Any) -> tuple[list[Any], list[int]]:
    block = pb.Block(lines=lines, count=lines.count(b"\n"), **more)
    number = call(peer, command, stream=True, credit_bytes=1 << 30, block=block)
    result = peer.result(number)
    need(result.value == b"null", f"the result of a block is {result.value or result.failure.message!r}, not null")
    found, failed = peer.chunks(number)
    return [json.loads(line) for line in found], failed


def answers_blocks(peer: Peer, _: pb.Hello) -> None:
    lines = b"".join(b'{"a":%d}\n' % n for n in range(1000))
    found, failed = _block(peer, "add", lines + b'{nope\n{"b":2}\n{"a":1,"b":2}\n')
    need([one.get("sum") for one in found[:1000]] == [n + 1 for n in range(1000)], "answers are not in order")
    need(failed == [1000, 1001], f"1000 and 1001 should have failed, not {failed}")
    need(found[1000].get("kind") == "invalid_arguments", f"a failure within a block is written {found[1000]}")
    need(found[1002:] == [{"sum": 3}], "the items after a failure are not run")


def takes_items_apart(peer: Peer, _: pb.Hello) -> None:
    found, _failed = _block(peer, "echo", b'[1]\n"x"\n', item_argument="it", careful=True)
    need(found == [{"it": [1]}, {"it": "x"}], f"items that are no objects came back as {found}")
    found, _failed = _block(peer, "echo", "ä\n\n{1}\n".encode(), item_argument="it", text=True)
    need(found == [{"it": "ä"}, {"it": ""}, {"it": "{1}"}], f"lines of text came back as {found}")


def cancels(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "nap", {"seconds": 600})
    time.sleep(0.1)  # it may be waiting, or running: both must be given up
    peer.send(pb.ToWorker(cancels=[pb.Cancel(id=number), pb.Cancel(id=10**6)]))
    failure(peer, number, Kind.CANCELLED)
    need(value(peer, "echo", {"a": 1}) == {"a": 1}, "it is of no use after a cancel")


def gives_back(peer: Peer, _: pb.Hello) -> None:
    first, second = peer.number(), peer.number()
    naps = [pb.Call(id=first, command="nap", args=b'{"seconds":1}'), pb.Call(id=second, command="echo", args=b"{}")]
    peer.send(pb.ToWorker(calls=naps))
    peer.send(pb.ToWorker(recalls=[second]))
    result = peer.result(second)
    need(
        result.HasField("value") or result.failure.kind == Kind.RECALLED,
        f"a recalled call failed: {result.failure.message}",
    )
    need(peer.result(first).HasField("value"), "a recall has hurt the call that ran")


def asks(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "ask", {"command": "far", "args": {"x": 1}, "pool": "away"})
    request = peer.wait(pb.Request, "it has made no request")
    need(
        (request.pool, request.command, json.loads(request.args)) == ("away", "far", {"x": 1}), f"it asks for {request}"
    )
    need(request.id and request.parent == number, "`parent` of the request is not the call that made it")
    peer.send(pb.ToWorker(replies=[pb.Result(id=request.id, value=b'{"y":2}')]))
    need(json.loads(peer.result(number).value) == {"y": 2}, "the answer does not reach the handler")


# ------------------------------------------------------------------------------------------------ its life


def drains(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "nap", {"seconds": 0.3})
    peer.send(pb.ToWorker(drain=pb.Drain()))
    need(peer.result(number).HasField("value"), "what ran was not finished")
    _exits(peer, 0)


def obeys_sigterm(peer: Peer, _: pb.Hello) -> None:
    number = call(peer, "nap", {"seconds": 600})
    time.sleep(0.1)
    peer.process.send_signal(signal.SIGTERM)
    peer.result(number, 4.0)
    _exits(peer, 0)


def ends_when_idle(peer: Peer, _: pb.Hello) -> None:
    peer.process.send_signal(signal.SIGTERM)
    _exits(peer, 0)


def ends_with_its_lifeline(peer: Peer, _: pb.Hello) -> None:
    peer.cut_lifeline()
    peer.exit_code(2.0)


def comes_back(peer: Peer, hello: pb.Hello) -> None:
    if hello.commands:
        peer.result(call(peer, hello.commands[0].name, b"[]", session="s1"))
    peer.hang_up()
    again = peer.attach()
    need(again.token == hello.token, "it has come back without its token")
    need(not hello.commands or list(again.sessions) == ["s1"], "hello does not name the sessions served before")
    peer.send(pb.ToWorker(ping=pb.Ping(nonce=1)))
    peer.wait(pb.Pong, "a ping has no answer after it has come back")


def leaves_when_refused(peer: Peer, _: pb.Hello) -> None:
    peer.accept()
    peer.refuse(Status.UNAUTHENTICATED, "no such token")
    _exits(peer, 77)


def leaves_when_too_new(peer: Peer, _: pb.Hello) -> None:
    peer.accept()
    peer.refuse(Status.FAILED_PRECONDITION, "no common version")
    _exits(peer, 76)


def survives_garbage(peer: Peer, _: pb.Hello) -> None:
    """It may end, or dial again; it may not go on as if nothing had happened, nor burn the processor."""
    peer.send_raw(b"\x12\xff\xff\xff\xff\x0f")
    peer.write_raw(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00")
    peer.hang_up()
    deadline = time.monotonic() + PATIENCE
    while peer.process.poll() is None and time.monotonic() < deadline:
        try:
            peer.attach(0.2)
        except FailedError:
            continue
        return
    need(peer.process.poll() is not None, "it neither ends nor dials again")


def ends_in_a_call(peer: Peer, _: pb.Hello) -> None:
    call(peer, "leave")
    code = peer.exit_code()
    need(code == 3, f"a handler that leaves with status 3 has ended it with {code}")


def _exits(peer: Peer, status: int) -> None:
    code = peer.exit_code(4.0)
    need(code == status, f"it has ended with status {code}, not {status}")


CHECKS = (
    Check("Hello names the worker and its commands", says_hello),
    Check("a command that it does not have is named", names_unknown_commands),
    Check("arguments that are no JSON object are refused", refuses_arguments),
    Check("a missing argument is refused", names_missing_arguments, ("add",)),
    Check("an argument that is left out has its default", fills_in_defaults, ("add",)),
    Check("pings are answered", answers_pings),
    Check("pings are answered while a handler waits", answers_pings_at_work, ("nap",)),
    Check("pings are answered while a handler computes", answers_pings_while_it_computes, ("burn",)),
    Check("fields of later versions are passed over", passes_unknown_fields),
    Check("each call is answered once", answers_once, ("echo",)),
    Check("texts, whole numbers and floats are preserved", preserves_values, ("echo",)),
    Check("an error is told with type and text", tells_errors, ("fail",)),
    Check("a result without a JSON form is refused", refuses_unfit_results, ("unfit", "echo")),
    Check("NaN becomes null when the call wants it", writes_nan_as_null, ("unfit",)),
    Check("an answer that is too large is refused", keeps_messages_small, ("big",)),
    Check("32 MiB pass both ways", takes_large_messages, ("echo",)),
    Check("what is printed disturbs nothing", prints_safely, ("say", "echo")),
    Check("a streaming command sends its chunks in order", streams, ("count",)),
    Check("a plain call of a streaming command gives an array", collects_streams, ("count",)),
    Check("a plain command streams one chunk", streams_values, ("echo",)),
    Check("a stream keeps to its credit", keeps_to_its_credit, ("count",)),
    Check("a cancel ends a stream", stops_streams, ("count",)),
    Check("blocks are answered in order, failures included", answers_blocks, ("add",)),
    Check("items that are no objects, and lines of text", takes_items_apart, ("echo",)),
    Check("a cancel ends a handler that waits", cancels, ("nap", "echo")),
    Check("a recall loses no call", gives_back, ("nap", "echo")),
    Check("a handler can call other commands", asks, ("ask",)),
    Check("drain: what runs is finished, then it exits 0", drains, ("nap",), ends=True),
    Check("SIGTERM: what runs is given up, then it exits 0", obeys_sigterm, ("nap",), ends=True),
    Check("SIGTERM when idle: it exits 0", ends_when_idle, ends=True),
    Check("it ends with its lifeline", ends_with_its_lifeline, ends=True),
    Check("it comes back when the server was gone", comes_back),
    Check("it exits 77 when its token is refused", leaves_when_refused, bare=True, ends=True),
    Check("it exits 76 when the versions do not match", leaves_when_too_new, bare=True, ends=True),
    Check("it does not hang on what it cannot understand", survives_garbage, ends=True),
    Check("a handler may end the process", ends_in_a_call, ("leave",), ends=True),
)
