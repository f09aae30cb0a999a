"""Malformed input of the server's two sockets, while well-formed calls go on: a live server, its workers, no mercy."""

from __future__ import annotations

import contextlib
import json
import math
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hpack import Encoder

from snakepit_cli import __version__
from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.client import api
from snakepit_cli.wire import front, http2
from snakepit_cli.wire import worker_pb2 as pb
from tests.crash import load, mutate
from tests.crash.mutate import Inputs
from tests.crash.oracle import Oracle
from tests.harness import machine, procs

_CONFIG = """
[pools.default]
adapter = {adapter!r}
size = 2
[pools.fake]
python = {fake!r}
size = 1
[pools.fake.limits]
request_timeout = 2.0
"""
_FAKE = """#!/bin/sh
# A worker that is only a process: whoever reads its token can speak for it.
[ -n "$SNAKEPIT_TOKEN_FD" ] || exit 1
cat "/proc/self/fd/$SNAKEPIT_TOKEN_FD" >"{folder}/new-$SNAKEPIT_WORKER_ID"
mv "{folder}/new-$SNAKEPIT_WORKER_ID" "{folder}/token-$SNAKEPIT_WORKER_ID"
exec sleep 3600
"""
_TROUBLE = (b"Traceback (most", b"Fatal error", b"never retrieved", b"Exception in callback", b"Unhandled")


class _Server:
    """The server under test, and the well-formed calls in between."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        load.adapters(oracle)
        self.tokens = oracle.work / "tokens"
        self.tokens.mkdir()
        fake = oracle.work / "fake"
        fake.write_text(_FAKE.format(folder=self.tokens))
        fake.chmod(0o755)
        oracle.configure(_CONFIG.format(adapter=str(oracle.work / "keeper.py"), fake=str(fake)))
        oracle.run("up")
        self.workers = self._workers()
        status = oracle.json("status")
        self.pid: int = status["server"]["pid"]
        self._calls = load.connection()

    def _workers(self) -> set[int]:
        return {worker["pid"] for worker in self._oracle.json("workers") if worker["pool"] == "default"}

    def memory(self) -> int:
        return mutate.memory_of(self.pid)

    def call(self, number: int, data: bytes) -> None:
        """A well-formed call after this input, through server and worker."""
        began = time.monotonic()
        try:
            if self._calls.call("ping", timeout=20.0) != b'"pong"':
                self._oracle.fail(f"after input {number}: a wrong answer: {data[:300]!r}")
        except PitError as error:
            self._oracle.fail(f"after input {number}: {error.kind}: {error.message}: {data[:300]!r}")
        self._oracle.count("calls in between")
        took = (time.monotonic() - began) * 1000
        self._oracle.figures["slowest call"] = max(self._oracle.figures.get("slowest call", 0.0), took)
        if machine.too_late(took, mutate.SLOW * 1000):
            self._oracle.fail(f"the call after input {number} took {took:.0f} ms: {data[:300]!r}")

    def check(self) -> None:
        self._calls.close()
        status = self._oracle.json("status")
        if status["server"]["pid"] != self.pid or status["server"]["restarts"]:
            self._oracle.fail("the server was started again")
        if self._workers() != self.workers:
            self._oracle.fail("workers were lost")
        if strange := {pool["name"] for pool in status["pools"]} - {"default", "fake"}:
            self._oracle.fail(f"there are other pools: {strange}")
        for log in (self._oracle.state / "logs").glob("*.log*"):
            text = log.read_bytes()
            if found := [text.find(mark) for mark in _TROUBLE if mark in text]:
                at = max(0, min(found) - 200)
                self._oracle.fail(f"{log.name}: {text[at : at + 1800].decode(errors='replace')}")


# ----------------------------------------------------------------------------------------------- front socket

_CALLS: tuple[tuple[dict[str, Any], bytes], ...] = (
    ({"command": "ping", "timeout": 5.0}, b"{}"),
    ({"command": "slowly", "session": "s1", "pool": "default"}, b'{"value": 5}'),
    ({"command": "count", "stream": True, "timeout": 5.0}, b'{"n": 20}'),
    ({"command": "kept", "session": "s2"}, b'{"name": "\\u00e4\\ud83d\\ude00"}'),
)
_QUERIES: tuple[dict[str, Any], ...] = (
    {"op": "ping"}, {"op": "status"}, {"op": "workers", "pool": "default"}, {"op": "commands", "pool": "default"},
    {"op": "reap", "dry_run": True}, {"op": "down", "pool": "nobody", "timeout": 1.0},
    {"op": "up", "pool": "default", "size": 2, "cwd": "/", "env": {"LC_ALL": "C"}, "timeout": 5.0, "wait": False},
)  # fmt: skip
_NEW = {"op": "up", "pool": "new", "size": 1, "cwd": "/", "env": {}, "wait": False}
_WRONG: tuple[dict[str, Any], ...] = (
    *({"op": op, "pool": "default", "timeout": value} for op in ("restart", "down", "shutdown")
      for value in ("nan", "inf", "-1", -1, 1e308, 10**30, [], {})),
    *({**_NEW, "env": value} for value in ("x", 5, [1], {"PATH": 5}, {"LC_ALL": "a\0b"}, {"LC_A": None})),
    *({**_NEW, "cwd": value} for value in (5, None, [], "\0")),
    *({**_NEW, "adapter": value} for value in (5, [], "\0", {"a": 1})),
    *({**_NEW, "size": value} for value in (0, -1, 1025, 2.5, "1", True, [], 10**30)),
    *({**_NEW, "timeout": value} for value in (-1, "x", "nan", 1e308, [])),
    *({**_NEW, "pool": value} for value in (5, [1], "\0", "a/b", "..", "x" * 33)),
)  # fmt: skip
"""What must be refused: otherwise the server would restart, or have other pools."""
_NOT_TO_BE_BROKEN = (b'"up"', b'"restart"', b'"down"', b'"shutdown"')
"""A byte more or less, and it might be right."""
_LIMIT = 32 << 20


def fuzz_front(oracle: Oracle) -> None:
    """Mutated frames at the front socket: the server goes on, answers with named errors, and every call in between."""
    server = _Server(oracle)
    for number, chance in Inputs(oracle, server.memory):
        data = b"".join(_frame(chance, request) for request in range(1, chance.choice((2, 2, 3, 6))))
        began = time.monotonic()
        with _connected(oracle, "front.sock") as sock:
            _say(sock, data)
            server.call(number, data)
            _hear(oracle, number, data, sock)
        if machine.too_late(time.monotonic() - began, mutate.SLOW):
            oracle.fail(f"input {number} took {time.monotonic() - began:.1f} s: {data[:300]!r}")
    server.check()


def _frame(chance: random.Random, request: int) -> bytes:
    kind, body = chance.choice((_call, _call, _query))(chance)
    frame = front.frame(kind, request, body)
    action = chance.random()
    if action < 0.4 and not any(op in frame for op in _NOT_TO_BE_BROKEN):
        frame = mutate.changed(chance, frame)
    elif action < 0.5:
        frame += front.frame(front.CANCEL, chance.choice((request, request, 99)), b"")
    elif action < 0.55:
        size = chance.choice((0, 3, 4, _LIMIT, _LIMIT + (1 << 17), (1 << 32) - 1))
        frame = frame[:1] + size.to_bytes(4, "big") + frame[5:]
    return frame


def _call(chance: random.Random) -> tuple[int, bytes]:
    header, args = chance.choice(_CALLS)
    header = {"version": __version__, "cwd": "/", **header}
    text = mutate.text_of(mutate.other(chance, header) if chance.random() < 0.5 else header)
    if chance.random() < 0.4:
        args = mutate.text_of(mutate.other(chance, json.loads(args)))
    elif chance.random() < 0.1:
        args = chance.choice((b"[" * 2000, b'{"a":' * 1000, b"\n" * 50, b"NaN", b"", args * 3, b"\xff" * 9))
    return front.CALL, text + b"\n" + args


def _query(chance: random.Random) -> tuple[int, bytes]:
    if chance.random() < 0.2:
        return front.QUERY, mutate.text_of(chance.choice(_WRONG))
    query = chance.choice(_QUERIES)
    changed = mutate.other(chance, query) if chance.random() < 0.7 else query
    if isinstance(changed, dict) and changed.get("op") == "down" and changed.get("pool") == "default":
        changed = query
    if isinstance(changed, dict) and changed.get("op") == "up" and changed.get("size") in [0, 1]:
        changed = query  # that would be right, and end a worker
    if isinstance(changed, dict) and changed.get("op") == "up" and changed.get("adapter") is None:
        changed = {**changed, "pool": changed.get("pool") if changed.get("pool") in ("default", None) else "\0"}
    return front.QUERY, mutate.text_of(changed)


@contextlib.contextmanager
def _connected(oracle: Oracle, name: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(mutate.SLOW)
        sock.connect(str(oracle.folder / "run" / "default" / name))
        yield sock


def _say(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(data)


def _read(sock: socket.socket) -> bytes:
    """What has come up to now."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while select.select([sock], [], [], 0)[0] and (part := sock.recv(1 << 20)):
            data += part
    return data


def _hear(oracle: Oracle, number: int, sent: bytes, sock: socket.socket) -> None:
    """Whatever the server says must be frames of the protocol, and no error a bug."""
    data = _read(sock)
    while len(data) >= front.HEADER:
        kind, end = data[0], 5 + int.from_bytes(data[1:5], "big")
        body = data[front.HEADER : end]
        data = data[end:]
        if kind not in {front.RESULT, front.ERROR, front.CHUNKS}:
            oracle.fail(f"input {number}: an answer of kind {kind}: {sent[:300]!r}")
        if kind == front.ERROR:
            said = json.loads(body)["kind"]
            oracle.count("answers with an error")
            if said not in KINDS or said == "internal":
                oracle.fail(f"input {number}: {body[:300]!r} to {sent[:300]!r}")


# --------------------------------------------------------------------------------------------------- gateway

_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW = 0, 1, 4, 6, 8
_GREETING = http2.PREFACE + http2.frame(_SETTINGS, 0, 0)
_NUMBERS = (0, 1, 2, 3, 17, 2**31 - 1, 2**31, 2**32 - 1)
_LARGE = (0, 1, 2, 3, 2**31, 2**63, 2**64 - 1)


def fuzz_gateway(oracle: Oracle) -> None:
    """Mutated HTTP/2, gRPC and worker messages, of unknown clients and of attached workers: the server goes on."""
    server = _Server(oracle)
    impostor = _Impostor(oracle, server.tokens)
    for number, chance in Inputs(oracle, server.memory):
        began = time.monotonic()
        if chance.random() < 0.5:
            data = _stranger(chance)
            with _connected(oracle, "gateway.sock") as sock:
                _say(sock, data)
                server.call(number, data)
                _read(sock)
        else:
            data = impostor.say(chance)
            began = time.monotonic()  # it may have been waiting for another worker
            server.call(number, data)
        if machine.too_late(time.monotonic() - began, mutate.SLOW):
            oracle.fail(f"input {number} took {time.monotonic() - began:.1f} s: {data[:300]!r}")
    impostor.end()
    server.check()


def _block(path: str = "/snakepit.worker.v1.Gateway/Attach") -> bytes:
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
              ("te", "trailers"), ("content-type", "application/grpc")]  # fmt: skip
    encoded: bytes = Encoder().encode(fields)
    return encoded


def _data(message: bytes) -> bytes:
    return http2.frame(_DATA, 0, 1, b"\0" + len(message).to_bytes(4, "big") + message)


def _hello(worker: str, token: str, capacity: int = 4) -> pb.FromWorker:
    hello = pb.Hello(
        token=token, worker=worker, language="sh", runtime="1", protocol_min=1, protocol_max=1, capacity=capacity, pid=1
    )
    hello.commands.add(name="echo", summary="echoes").parameters.add(name="text", type="str", default_json='"x"')
    return pb.FromWorker(hello=hello)


def attach(worker: str, token: str) -> bytes:
    """All that a worker says to be let in."""
    hello = _hello(worker, token).SerializeToString()
    return _GREETING + http2.frame(_HEADERS, 4, 1, _block()) + _data(hello)


def _stranger(chance: random.Random) -> bytes:
    """A whole connection of a client that may know a worker's name, and no token."""
    token = chance.choice(("", "guess", "ä\0\U0001f600", "0" * 32, "x" * 100_000))
    hello = _hello(chance.choice(("default-1", "default-2", "fake-1", "-", "", "nobody-1", "ä-1")), token)
    message = hello.SerializeToString()
    if chance.random() < 0.5:
        message = mutate.changed(chance, message)
    block = _block(chance.choice(("/snakepit.worker.v1.Gateway/Attach",) * 3 + ("/", "", "ä", "/x" * 3000)))
    if chance.random() < 0.3:
        block = mutate.changed(chance, block)
    parts = [_GREETING, http2.frame(_HEADERS, 4, 1, block), _data(message), _other(chance)]
    if chance.random() < 0.3:
        chance.shuffle(parts)
    data = b"".join(parts)
    return mutate.changed(chance, data) if chance.random() < 0.5 else data


def _other(chance: random.Random) -> bytes:
    """A frame of any kind with anything in it."""
    payload = chance.choice(
        (b"", b"\0" * 4, b"\xff" * 4, b"\0\4\x7f\xff\xff\xff", b"\0\5\0\0\0\0", chance.randbytes(40))
    )
    flags = chance.choice((0, 1, 4, 8, 0x20, 0x2D, 255))
    return http2.frame(chance.choice((*range(11), 255)), flags, chance.choice((0, 1, 1, 2, 3, 2**31 - 1)), payload)


class _Impostor:
    """Speaks for the worker of the pool `fake`, well enough to be attached; then does not any more."""

    def __init__(self, oracle: Oracle, tokens: Path) -> None:
        self._oracle = oracle
        self._tokens = tokens
        self._sock: socket.socket | None = None
        self._front = load.connection()
        self._calls = load.connection()
        self._asked: set[int] = set()

    def say(self, chance: random.Random) -> bytes:
        if self._sock is None or not self._alive():
            self._attach()
        assert self._sock is not None
        if len(self._asked) < 8:
            header = front.call_body(
                "echo", b"{}", version=__version__, cwd="/", pool="fake", timeout=0.2, stream=chance.random() < 0.5
            )
            self._asked.add(self._calls._send(front.CALL, header))
        data, framed = self._message(chance)
        _say(self._sock, data)
        if not framed:  # whatever came next might be taken for a part of it
            self._sock.close()
            self._sock = None
        return data

    def _alive(self) -> bool:
        """Takes what the server says. It may have hung up."""
        assert self._sock is not None
        with contextlib.suppress(OSError):
            while select.select([self._sock], [], [], 0)[0]:
                part = self._sock.recv(1 << 20)
                # A status in trailers ends the stream; the connection stays.
                if not part or b"grpc-status" in part:
                    break
            else:
                return True
        self._sock.close()
        self._sock = None
        return False

    def _attach(self) -> None:
        """Like a worker that has just been started."""
        if self._sock is not None:
            self._sock.close()
        for file in self._tokens.glob("token-*"):
            file.unlink()
        for worker in api.workers(self._front):
            if worker["pool"] == "fake" and worker["pid"]:
                procs.kill(worker["pid"])
        self._collect()
        api.up(self._front, pool="fake", size=1, adapter=None, timeout=20, wait=False)
        deadline = time.monotonic() + 20
        while not (found := list(self._tokens.glob("token-*"))):
            assert time.monotonic() < deadline, "no worker of pool fake is started"
            time.sleep(0.005)
            if time.monotonic() > deadline - 15:
                api.up(self._front, pool="fake", size=1, adapter=None, timeout=20, wait=False)
        worker, token = found[-1].name.removeprefix("token-"), found[-1].read_text()
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(str(self._oracle.folder / "run" / "default" / "gateway.sock"))
        self._sock.sendall(attach(worker, token))
        self._oracle.count("impostors attached")

    def _message(self, chance: random.Random) -> tuple[bytes, bool]:
        """A message, and whether it ends where it says."""
        action = chance.random()
        if action < 0.15:
            return _other(chance), action < 0.1
        message = pb.FromWorker()
        for _ in range(chance.choice((0, 1, 1, 2, 5))):
            chance.choice(_SAYINGS)(chance, message)
        data = message.SerializeToString()
        if action < 0.25:
            return _data(mutate.changed(chance, data)), True
        return (mutate.changed(chance, _data(data)), False) if action < 0.3 else (_data(data), True)

    def _collect(self) -> None:
        """Each of the calls to the pool `fake` ends once."""
        ended: list[int] = []
        deadline = time.monotonic() + 5
        self._calls.sock.settimeout(5)
        while self._asked - {*ended}:
            if time.monotonic() > deadline:
                self._oracle.fail(f"{len(self._asked - {*ended})} calls to an impostor do not end")
                break
            kind, about, body = self._calls._frame()
            if kind in {front.RESULT, front.ERROR}:
                ended.append(about)
            if kind == front.ERROR and json.loads(body)["kind"] not in KINDS.keys() - {"internal"}:
                self._oracle.fail(f"a call to an impostor: {body[:300]!r}")
        while select.select([self._calls.sock], [], [], 0)[0]:  # whatever there is too much
            ended.append(self._calls._frame()[1])
        if len(ended) != len({*ended}):
            self._oracle.fail("a call ended twice")
        self._asked.clear()

    def end(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._collect()
        self._calls.close()
        self._front.close()


def _says_result(chance: random.Random, message: pb.FromWorker) -> None:
    result = message.results.add(id=_call_id(chance))
    action = chance.random()
    if action < 0.4:
        result.value = chance.choice((b"1", b"", b"{", b"\xff", b"[" * 3000, b"\n\n"))
    elif action < 0.8:
        result.failure.kind = chance.choice((0, 1, 4, 7, 99, -1))  # type: ignore[assignment]
        result.failure.message = chance.choice(("", "m", "\0" * 9, "x" * 100_000))
        result.failure.type = chance.choice(("", "E"))
        result.failure.name = chance.choice(("", "worker_crashed", "nothing"))


def _says_chunks(chance: random.Random, message: pb.FromWorker) -> None:
    lines = chance.choice((b"", b"1\n", b"1", b"\xff\n", b"1\n" * 5000))
    count = chance.choice(_NUMBERS) & 0xFFFFFFFF
    message.chunks.add(id=_call_id(chance), lines=lines, count=count, failed=chance.choice(([], [0], [2**32 - 1, 0])))


def _says_request(chance: random.Random, message: pb.FromWorker) -> None:
    message.requests.add(
        id=_call_id(chance), parent=_call_id(chance), pool=chance.choice(("", "default", "nobody", "\0", "fake")),
        command=chance.choice(("ping", "", "echo", "\0")), args=chance.choice((b"{}", b"", b"{", b"\xff")),
        session=chance.choice(("", "s1")), timeout_seconds=chance.choice((0.0, 1.0, -1.0, 1e308, math.nan, math.inf)),
    )  # fmt: skip


def _says_withdrawal(chance: random.Random, message: pb.FromWorker) -> None:
    message.withdrawals.append(_call_id(chance))


def _says_pong(chance: random.Random, message: pb.FromWorker) -> None:
    message.pong.nonce = chance.choice(_LARGE)


def _says_hello(_: random.Random, message: pb.FromWorker) -> None:
    message.MergeFrom(_hello("default-1", "again", capacity=2**32 - 1))


def _says_failure(_: random.Random, message: pb.FromWorker) -> None:
    message.start_failure.worker = "default-1"


_SAYINGS: tuple[Callable[[random.Random, pb.FromWorker], None], ...] = (
    _says_result, _says_result, _says_chunks, _says_request, _says_withdrawal, _says_pong, _says_hello, _says_failure,
)  # fmt: skip


def _call_id(chance: random.Random) -> int:
    """Of a call that may be running, or of none."""
    return chance.choice((chance.randrange(1, 3000), *_LARGE))
