"""The plain forms of `exec` and `stream`, answered before anything heavy is imported.

Whatever is not plain (help, other verbs, unknown options, no server, a progress bar) is declined and goes to the
Typer application in cli/, which makes the same `Request` and holds the same `Talk`. Every import here is paid by
every call: only what CPython has already loaded, `_socket`, and a few small modules of ours.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports enum
import os
import sys
from _socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket

from snakepit_cli.base import paths
from snakepit_cli.client.request import CALL_ID, Request, UsageError, hoist
from snakepit_cli.wire import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FLAGS = {"--json", "--raw"}
_VALUES = {"--args", "--pool", "--session", "--timeout", "--field"}
_RECEIVE = 1 << 18
_CANCEL_SECONDS = 5.0
_LATE_SECONDS = 10.0


class StoppedError(Exception):
    """The talk ended early, not by a word of the server: `kind` is a kind of base.errors."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class RefusedError(Exception):
    """The server answered with an error; `body` is its JSON."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.body = body


# ------------------------------------------------------------------------------------------ command line


def parse(argv: list[str]) -> Request | None:
    """The request when `argv` is a plain form; None means: ask the other parser. Reads no file and no stdin."""
    try:
        shared, rest = hoist(argv)
        if not rest or rest[0] not in {"exec", "stream"} or shared.debug or shared.color != "auto":
            return None
        given, words = _options(rest)
        return Request(shared, words[0], words[1:], stream=rest[0] == "stream", **given)
    except (UsageError, LookupError):
        return None


def _options(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Options and the other words after the verb. Raises LookupError for anything that is not plain."""
    given: dict[str, Any] = {}
    plain: list[str] = []
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            plain += words[at:]
            break
        name, equals, value = word.partition("=")
        if word[:1] != "-":
            plain.append(word)
        elif word in _FLAGS:
            given[name[2:]] = True
        elif name in _VALUES:
            if not equals:
                value = words[at]
                at += 1
                if value[:1] == "-":
                    raise LookupError(word)
            given[name[2:]] = value
        elif word != "--progress=none" or words[0] != "stream":
            raise LookupError(word)
        else:
            given["progress"] = "none"
    return given, plain


# ---------------------------------------------------------------------------------------------- the talk


def connect(instance: str) -> socket | None:
    """A connection to the server in the usual place, when one is there and all is as it should be."""
    try:
        folder = paths.runtime_dir(instance)
        if not paths.is_ours(folder):
            return None
        sock = socket(AF_UNIX, SOCK_STREAM)
        sock.connect(f"{folder}/front.sock")
    except (OSError, paths.PathError):
        return None
    credentials = sock.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
    return sock if int.from_bytes(credentials[4:8], sys.byteorder) == os.geteuid() else None


def write(data: bytes) -> None:
    """All of it to standard output. Raises StoppedError."""
    while data:
        try:
            written = os.write(1, data)
        except BrokenPipeError:
            raise StoppedError("output_closed", "the reader of the output went away") from None
        except BlockingIOError:
            # Somebody who shares the terminal or pipe with us made it non-blocking.
            from select import select

            select([], [1], [])
            continue
        except OSError as error:
            raise StoppedError("output_failed", f"cannot write to standard output: {error.strerror}") from None
        if written == len(data):
            return
        data = data[written:]


class Talk:
    """One request on a connection of its own, from the first byte sent to the last byte shown.

    The first Ctrl-C sends a cancel and goes on listening for the end of the request, the second leaves at once. A
    handler that sets a flag, not KeyboardInterrupt: an exception out of `recv` could lose what it had received.
    """

    __slots__ = ("_leave", "_request", "_seen", "_sent", "_sock", "interrupted")

    def __init__(
        self,
        sock: socket,
        request: Request,
        *,
        seen: Callable[[bytes], None] | None = None,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        """`seen` is told each block of chunks after it was written; `leave` ends the process with an exit code."""
        self._sock = sock
        self._request = request
        self._seen = seen
        self._leave = leave
        self._sent = False
        self.interrupted = False

    def run(self) -> int:
        """Exit code. Raises RefusedError, StoppedError, ArgumentsError."""
        frame = self._request.frame()
        # It may be ignored from the start (nohup, a background job of sh): then it stays so.
        default = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
        if default:
            _signal.signal(_signal.SIGINT, self._interrupt)
        try:
            self._send(frame)
            return self._listen()
        finally:
            if self.interrupted:
                _signal.setitimer(_signal.ITIMER_REAL, 0)
            if default:
                _signal.signal(_signal.SIGINT, _signal.default_int_handler)

    def _interrupt(self, *_: object) -> None:
        if self.interrupted or not self._sent:
            # Half a frame cannot be followed by another one; closing the connection gives up the request, too.
            self._leave(130)
        self.interrupted = True
        _signal.signal(_signal.SIGALRM, lambda *_: self._leave(130))
        _signal.setitimer(_signal.ITIMER_REAL, _CANCEL_SECONDS)
        try:
            if not self._request.shared.quiet:
                os.write(2, "\ncancelling… (press again to leave now)\n".encode())
            self._sock.send(front.frame(front.CANCEL, CALL_ID, b""))
        except OSError:
            pass

    def _send(self, frame: bytes) -> None:
        try:
            if self._request.timeout is not None and not self._request.stream:
                # The server keeps the time; this is for one that is stopped or stuck.
                self._sock.settimeout(self._request.timeout + _LATE_SECONDS)
            self._sock.sendall(frame)
        except OSError:
            # It may have said why before it closed: that is read next.
            pass
        self._sent = True

    def _receive(self) -> bytes:
        try:
            data = self._sock.recv(_RECEIVE)
        except TimeoutError:
            raise StoppedError("worker_timeout", "the server did not answer in time") from None
        except OSError:
            data = b""
        if not data:
            raise StoppedError("server_restarted", "the connection was lost before the answer came")
        return data

    def _listen(self) -> int:
        data = self._receive()
        while True:
            at, end, chunks = 0, len(data), []
            while end - at >= front.HEADER:
                kind, after = data[at], at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
                if after > end:
                    break
                body = data[at + front.HEADER : after]
                at = after
                if kind == front.CHUNKS:
                    chunks.append(body)
                elif kind in {front.RESULT, front.ERROR}:
                    self._show_chunks(chunks)
                    return self._end(kind, body)
            self._show_chunks(chunks)
            data = self._more(data[at:])

    def _more(self, rest: bytes) -> bytes:
        """What was left over and the bytes after it; a long frame is collected before it is joined."""
        if not rest:
            return self._receive()
        wanted = 5 + int.from_bytes(rest[1:5], "big") if len(rest) >= 5 else front.HEADER
        parts, got = [rest], len(rest)
        while got < wanted:
            parts.append(self._receive())
            got += len(parts[-1])
        return b"".join(parts)

    def _show_chunks(self, chunks: list[bytes]) -> None:
        if not chunks or self.interrupted:
            return
        data = b"".join(chunks)
        if self._request.field is not None or self._request.raw:
            from snakepit_cli.cli.pick import lines

            write(lines(data, self._request.field, raw=self._request.raw))
        else:
            write(data)
        if self._seen is not None:
            self._seen(data)

    def _end(self, kind: int, body: bytes) -> int:
        if self.interrupted:
            return 130
        if kind == front.ERROR:
            raise RefusedError(body)
        if not self._request.stream:
            show(self._request, body)
        return 0


def show(request: Request, body: bytes) -> None:
    """The result of a plain call."""
    if request.field is not None or request.raw:
        from snakepit_cli.cli.pick import lines

        write(lines(body, request.field, raw=request.raw))
    elif not request.json and os.isatty(1):
        from snakepit_cli.cli.pretty import pretty

        write(pretty(body, request.shared.color))
    else:
        write(body + b"\n")


# -------------------------------------------------------------------------------------------------- main


def attempt(argv: list[str]) -> int | None:
    """Exit code, or None when the other path must do it. Raises what `Talk.run` raises."""
    request = parse(argv)
    # A standard stream that is closed would be opened again as our socket.
    if request is None or None in (sys.stdin, sys.stdout, sys.stderr):
        return None
    sock = connect(request.shared.instance)
    if sock is None:
        return None
    try:
        return Talk(sock, request).run()
    except RefusedError as refusal:
        from snakepit_cli.cli.calls import after_refusal

        return after_refusal(request, refusal)


def main() -> None:
    """Never returns. Leaves without tearing the interpreter down: nothing is buffered."""
    argv = sys.argv[1:]
    try:
        code = attempt(argv)
        if code is None:
            from snakepit_cli.cli.main import run

            code = run(argv)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # noqa: BLE001 — whatever it is, a person reads a sentence, not a traceback
        from snakepit_cli.cli.report import report

        code = report(error, argv)
    os._exit(code)
