"""One call: sent, its answer read as it comes, given up with Ctrl-C. Both paths of the command line use it.

The fast path imports this: nothing that CPython has not loaded already, except `_socket`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports enum
import os
import sys
from _socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket

from snakepit_cli.base import paths
from snakepit_cli.client.call.request import CALL_ID, Request
from snakepit_cli.wire import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from snakepit_cli.client.call.query import Query
    from snakepit_cli.client.segments import LongResult

    Result = bytes | memoryview | LongResult

_RECEIVE = 1 << 16
"""More would make each read allocate fresh pages: malloc gives such sizes to mmap."""
_LONG = 1 << 18
_LAST = frozenset({front.RESULT, front.RESULT_REF, front.ERROR})
"""Kinds of frames that end a request."""
_CANCEL_SECONDS = 5.0
_LATE_SECONDS = 10.0


def quiet_interrupts() -> None:
    """Ctrl-C exits at once, with 130: KeyboardInterrupt in the middle of an import can get lost, or show a traceback.
    Not where it is ignored (nohup, a background job of sh)."""
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, lambda *_: os._exit(130))


def raise_interrupts() -> None:
    """Ctrl-C raises KeyboardInterrupt again: to be called when everything is imported."""
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


class StoppedError(Exception):
    """The talk ended early, not by a word of the server: `kind` is a kind of base.errors."""

    def __init__(self, kind: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        """None for the one of the kind."""


class RefusedError(Exception):
    """The server answered with an error; `body` is its JSON."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.body = body


def nearby(instance: str) -> socket | None:
    """A connection to the server in the usual place, when one is there and all is as it should be."""
    try:
        folder = paths.runtime_dir(instance)
    except paths.PathError:
        return None
    if not paths.is_ours(folder):
        return None
    sock = socket(AF_UNIX, SOCK_STREAM)
    try:
        sock.connect(f"{folder}/front.sock")
        credentials = sock.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
        if int.from_bytes(credentials[4:8], sys.byteorder) == os.geteuid():
            return sock
    except OSError:
        pass
    sock.close()
    return None


def write_line(body: Result) -> None:
    """A text and a line break; a long one is not copied for that. Raises StoppedError, PitError."""
    if isinstance(body, bytes) and len(body) <= _LONG:
        write(body + b"\n")
        return
    if isinstance(body, (bytes, memoryview)):
        write(body)
    else:
        for piece in body.pieces():
            write(piece)
    write(b"\n")


def is_message(body: Result) -> bool:
    """Whether it is a message with parts; otherwise it is JSON."""
    return body[:1] == b"\0" if isinstance(body, (bytes, memoryview)) else body.begins_with(b"\0")


def write(data: bytes | memoryview) -> None:
    """All of it to standard output. Raises StoppedError."""
    while data:
        try:
            written = os.write(1, data)
        except BrokenPipeError:
            raise StoppedError("output_closed", "the reader of the output went away") from None
        except BlockingIOError:
            # Another process that shares the terminal or pipe made it non-blocking.
            from select import select

            select([], [1], [])
            continue
        except OSError as error:
            from snakepit_cli.base.write_hints import write_hint

            text = f"cannot write to standard output: {error.strerror}"
            raise StoppedError("output_failed", text, write_hint(error.errno)) from None
        if written == len(data):
            return
        data = data[written:]


def say(text: str) -> None:
    """A line on stderr. What is no letter could be a command to the terminal."""
    shown = "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)
    try:
        os.write(2, f"{shown}\n".encode(errors="replace"))
    except OSError:
        pass  # its reader has gone


def _referred(reference: bytes) -> LongResult:
    """The segment is the server's again when this process ends."""
    from snakepit_cli.client.call.query import decode
    from snakepit_cli.client.segments import LongResult

    return LongResult(decode(reference))


def _unreadable(refusal: RefusedError) -> bool:
    """The arguments could not be read where they are; then nothing has run."""
    from snakepit_cli.client.error_frames import error_of

    return error_of(refusal.body).kind == "reference_failed"


def _lost(error: OSError | None) -> StoppedError:
    if isinstance(error, TimeoutError):
        return StoppedError("worker_timeout", "the server did not answer in time")
    return StoppedError("server_restarted", "the connection was lost before the answer came")


class Talk:
    """One request on a connection of its own, from the first byte sent to the last byte received.

    The first Ctrl-C sends a cancel and goes on listening for the end of the request, the second leaves at once. A
    handler that sets a flag, not KeyboardInterrupt: an exception out of `recv` could lose what it had received.
    """

    __slots__ = ("_chunks", "_leave", "_request", "_say", "_sent", "_sock", "interrupted")

    def __init__(
        self,
        sock: socket,
        request: Request | Query,
        chunks: Callable[[bytes | memoryview], object] = write,
        leave: Callable[[int], object] = os._exit,
        say: Callable[[str], object] = say,
    ) -> None:
        """`chunks` gets each block of chunks as it comes, a chunk with parts by itself; `leave` ends the process with
        an exit code; `say` gets what is said to a person."""
        self._sock = sock
        self._request = request
        self._chunks = chunks
        self._leave = leave
        self._say = say
        self._sent = False
        self.interrupted = False

    def run(self) -> Result | None:
        """The result; None when it was interrupted.

        Raises RefusedError, StoppedError, ArgumentsError.
        """
        lent = self._request.lent(self._sock)
        frame = self._request.frame(lent)
        # It may be ignored from the start (nohup, a background job of sh): then it stays so.
        before = _signal.getsignal(_signal.SIGINT)
        if before != _signal.SIG_IGN:
            _signal.signal(_signal.SIGINT, self._interrupt)
        try:
            self._send(frame)
            try:
                return self._listen()
            except RefusedError as refusal:
                if lent is None or not _unreadable(refusal):
                    raise
            self._send(self._request.frame())
            return self._listen()
        finally:
            if self.interrupted:
                _signal.setitimer(_signal.ITIMER_REAL, 0)
            if before != _signal.SIG_IGN:
                _signal.signal(_signal.SIGINT, before)

    def _interrupt(self, *_: object) -> None:
        if self.interrupted:
            self._leave(130)
        self.interrupted = True
        _signal.signal(_signal.SIGALRM, lambda *_: self._leave(130))
        _signal.setitimer(_signal.ITIMER_REAL, _CANCEL_SECONDS)
        if not self._request.shared.quiet:
            self._say(f"\n{self._request.parting}")
        if self._sent:
            self._give_up()

    def _give_up(self) -> None:
        self._tell(front.frame(front.CANCEL, CALL_ID, b""))

    def _tell(self, frame: bytes) -> None:
        try:
            self._sock.send(frame)
        except OSError:
            pass  # it is over, then

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
        if self.interrupted:
            # While half a frame was on its way there was no place for another one.
            self._give_up()

    def _receive(self) -> bytes:
        try:
            data = self._sock.recv(_RECEIVE)
        except OSError as error:
            raise _lost(error) from None
        if not data:
            raise _lost(None)
        return data

    def _receive_into(self, place: memoryview) -> int:
        try:
            got = self._sock.recv_into(place)
        except OSError as error:
            raise _lost(error) from None
        if not got:
            raise _lost(None)
        return got

    def _listen(self) -> Result | None:
        data: bytes | memoryview = self._receive()
        while True:
            chunks: list[bytes | memoryview] = []
            at, end = 0, len(data)
            while end - at >= front.HEADER:
                kind, after = data[at], at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
                if after > end:
                    break
                body = data[at + front.HEADER : after]
                at = after
                if kind == front.CHUNKS:
                    chunks.append(body)
                elif kind == front.CHUNKS_REF:
                    chunks.append(self._read(bytes(body)))
                elif kind == front.NOTE:
                    self._note(bytes(body))
                elif kind in _LAST:
                    self._pass_on(chunks)
                    if self.interrupted:
                        return None
                    if kind == front.ERROR:
                        raise RefusedError(bytes(body))
                    return body if kind == front.RESULT else _referred(bytes(body))
            self._pass_on(chunks)
            data = self._more(data[at:])

    def _read(self, reference: bytes) -> bytes:
        """Chunks in a segment, which the worker has back at once: it goes on then. Raises PitError."""
        from snakepit_cli.client import segments
        from snakepit_cli.client.call.query import decode

        found = decode(reference)
        data = segments.read(found)
        self._tell(front.frame(front.RELEASE, CALL_ID, found["path"].encode()))
        return data

    def _note(self, text: bytes) -> None:
        if not self._request.shared.quiet:
            self._say(f"note: {text.decode(errors='replace')}")

    def _more(self, rest: bytes | memoryview) -> bytes | memoryview:
        """What was left over and the bytes after it; a long frame is collected before it is joined."""
        if not rest:
            return self._receive()
        wanted = 5 + int.from_bytes(rest[1:5], "big") if len(rest) >= 5 else front.HEADER
        if wanted > _LONG:
            return self._fill(rest, wanted)
        parts, got = [rest], len(rest)
        while got < wanted:
            parts.append(self._receive())
            got += len(parts[-1])
        return b"".join(parts)

    def _fill(self, rest: bytes | memoryview, wanted: int) -> memoryview:
        """Reads a long frame into a buffer of its size, so that the kernel copies into it in large steps."""
        whole = memoryview(bytearray(wanted))
        got = len(rest)
        whole[:got] = rest
        while got < wanted:
            got += self._receive_into(whole[got:])
        return whole

    def _pass_on(self, chunks: list[bytes | memoryview]) -> None:
        if not chunks or self.interrupted:
            return
        if not any(one[:1] == b"\0" for one in chunks):
            self._chunks(b"".join(chunks))
            return
        for one in chunks:  # one of them has parts
            self._chunks(one)
