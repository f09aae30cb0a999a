"""One worker process and the gateway that it dials: everything that a check says and hears passes through here."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from snakepit_cli.wire import http2
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.http2 import Status
from snakepit_cli.wire.worker import MalformedError, from_worker

TOKEN = "a secret of this test"  # noqa: S105 - it protects nothing
NAME = "check-1"
PROTOCOL = 1
LIMIT = 64 << 20
"""Largest message that the worker is told it may send."""
PATH = "/snakepit.worker.v1.Gateway/Attach"
PATIENCE = 10.0
_READ = 1 << 18
Part = pb.Hello | pb.StartFailure | pb.Chunks | pb.Result | pb.Request | pb.Pong
P = TypeVar("P", bound=Part)


class FailedError(Exception):
    """The worker does not do what the contract says; the text says what."""


class Peer:
    """A worker that has been started. Use as a context manager: it is gone afterwards."""

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str, patience: float = PATIENCE) -> None:
        """`patience`: seconds that it is given for what should take none."""
        self._patience = patience
        self._folder = tempfile.TemporaryDirectory(prefix="snakepit-check-")
        path = f"{self._folder.name}/gateway.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._log = Path(self._folder.name, "log")
        self._socket: socket.socket | None = None
        self._http: http2.Connection
        self._stream: http2.Stream | None = None
        self.heard: list[Part] = []
        """What was said on the present stream and no check has asked for yet."""
        self._next = 0
        token, self._lifeline = self._start(argv, env, cwd, path)
        os.close(token)

    def _start(self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str, path: str) -> tuple[int, int]:
        token_read, token_write = os.pipe()
        os.write(token_write, TOKEN.encode())
        os.close(token_write)
        lifeline_read, lifeline = os.pipe()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                argv,
                env={
                    **env, "SNAKEPIT_GATEWAY": f"unix:{path}", "SNAKEPIT_WORKER_ID": NAME,
                    "SNAKEPIT_INSTANCE": "check", "SNAKEPIT_TOKEN_FD": str(token_read),
                    "SNAKEPIT_LIFELINE_FD": str(lifeline_read),
                },
                cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(token_read, lifeline_read),
                start_new_session=True,
            )  # fmt: skip
        os.close(lifeline_read)
        return token_read, lifeline

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.cut_lifeline()
        self.hang_up()
        self._listener.close()
        self._folder.cleanup()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    # ------------------------------------------------------------------------------------- the stream

    def accept(self, seconds: float | None = None) -> pb.Hello:
        """Waits until the worker dials and says hello."""
        seconds = seconds or self._patience
        if not select.select([self._listener], [], [], seconds)[0]:
            raise FailedError(f"it has not dialled within {seconds:g} s{self._last_words()}")
        self._socket, _ = self._listener.accept()
        self._stream = None
        self.heard.clear()
        self._http = http2.Connection(self._write, self._opened, max_message=LIMIT + (4 << 20))
        deadline = time.monotonic() + seconds
        while not self.heard:
            if not self._receive(deadline - time.monotonic()) and time.monotonic() > deadline:
                raise FailedError(f"it has not said anything within {seconds:g} s")
        first = self.heard.pop(0)
        if isinstance(first, pb.StartFailure):
            failure = first.failure
            raise FailedError(f"it cannot start: {f'{failure.type} {failure.message}'.strip()}")
        if not isinstance(first, pb.Hello):
            raise FailedError("its first message is not hello")
        return first

    def attach(self, seconds: float | None = None) -> pb.Hello:
        """Accepts a connection, and answers its Hello."""
        hello = self.accept(seconds)
        self.send(pb.ToWorker(welcome=pb.Welcome(protocol=PROTOCOL, max_message_bytes=LIMIT)))
        return hello

    def refuse(self, status: Status, text: str) -> None:
        self._require_stream().finish(status, text)

    def hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, message: pb.ToWorker) -> None:
        self.send_raw(message.SerializeToString())

    def send_raw(self, data: bytes) -> None:
        """A message that need not be one."""
        self._require_stream().send(data)

    def write_raw(self, data: bytes) -> None:
        """Bytes that need not be frames."""
        self._write(data)

    def _require_stream(self) -> http2.Stream:
        if self._stream is None:
            raise FailedError("it is not attached")
        return self._stream

    def _opened(self, stream: http2.Stream, path: str) -> None:
        if path != PATH or self._stream is not None:
            raise FailedError(f"it calls {path}, or calls twice")
        self._stream = stream
        stream.listener = _Listener(self.heard)

    def _write(self, data: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(data)

    def _receive(self, seconds: float) -> bool:
        """Reads once; False when nothing came in time. Raises FailedError at the end of the connection."""
        sock = self._socket
        if sock is None or not select.select([sock], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = sock.recv(_READ)
        except OSError:
            data = b""
        if not data:
            raise FailedError(f"it has ended the connection{self._last_words()}")
        try:
            self._http.receive(data)
        except http2.ProtocolError as error:
            raise FailedError(f"it does not speak HTTP/2 as agreed: {error}") from None
        return True

    def wait(
        self, kind: type[P], otherwise: str, seconds: float | None = None, wanted: Callable[[P], bool] | None = None
    ) -> P:
        """The first part of this kind that is wanted; those before it are kept."""
        seconds = seconds or self._patience
        deadline = time.monotonic() + seconds
        seen = 0
        while True:
            for at, part in enumerate(self.heard[seen:], seen):
                if isinstance(part, kind) and (wanted is None or wanted(part)):
                    del self.heard[at]
                    return part
            seen = len(self.heard)
            if not self._receive(deadline - time.monotonic()) and time.monotonic() >= deadline:
                raise FailedError(f"{otherwise} within {seconds:g} s")

    def listen(self, seconds: float) -> None:
        """Hears whatever comes in this time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._receive(left)

    # ---------------------------------------------------------------------------------------- calls

    def number(self) -> int:
        self._next += 1
        return self._next

    def result(self, call: int, seconds: float | None = None) -> pb.Result:
        """Of a call, the first one."""
        return self.wait(pb.Result, f"call {call} has no result", seconds, lambda result: result.id == call)

    def chunks(self, call: int) -> tuple[list[str], list[int]]:
        """What has been heard of a call's chunks, and which of them failed. They are taken away."""
        lines: list[str] = []
        failed: list[int] = []
        for part in [part for part in self.heard if isinstance(part, pb.Chunks) and part.id == call]:
            self.heard.remove(part)
            failed += [len(lines) + at for at in part.failed]
            found = part.lines.decode().split("\n")
            if len(found) != part.count + 1 or found[-1]:
                raise FailedError(f"chunks whose `count` is {part.count} hold {len(found) - 1} lines")
            lines += found[:-1]
        return lines, failed

    # ----------------------------------------------------------------------------------------- the end

    def cut_lifeline(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def exit_code(self, seconds: float | None = None) -> int:
        """Waits until the process has ended."""
        seconds = seconds or self._patience
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(FailedError):
                    self._receive(0.0)
                if time.monotonic() > deadline:
                    raise FailedError(f"it has not ended within {seconds:g} s") from None

    def _last_words(self) -> str:
        lines = self.log.strip().splitlines()[-5:]
        return "".join(f"\n  {line}" for line in (["; the last lines of its log:", *lines] if lines else []))


class _Listener:
    """Takes messages apart, chunks before results, as the contract orders them."""

    def __init__(self, heard: list[Part]) -> None:
        self._heard = heard

    def message(self, data: bytes) -> None:
        try:
            message = from_worker(data)
        except MalformedError as error:
            raise FailedError(f"it has sent a message that is none: {error}") from None
        for name in ("hello", "start_failure"):
            if message.HasField(name):
                self._heard.append(getattr(message, name))
        self._heard += [*message.chunks, *message.results, *message.requests]
        if message.HasField("pong"):
            self._heard.append(message.pong)

    def ended(self) -> None:
        """The connection tells."""
