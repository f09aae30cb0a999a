"""Requests to a server that is connected: one typed function each. Blocking, one thread, no retries."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any

import snakepit_cli
from snakepit_cli.base.errors import PitError
from snakepit_cli.client import segments
from snakepit_cli.client.argument_segments import ABOVE, WAIT_SECONDS, ArgumentSegments, Segment
from snakepit_cli.client.call.request import Request, cwd
from snakepit_cli.client.error_frames import error_of
from snakepit_cli.client.following import MOST_KEPT, Following
from snakepit_cli.client.frame_stream import RECEIVE, FrameStream, silent
from snakepit_cli.launch.environment import UMASK, for_workers, umask
from snakepit_cli.wire import front

if TYPE_CHECKING:
    from typing import Unpack

    from snakepit_cli.client.map.library import Options
    from snakepit_cli.wire.binary import Buffer

_QUERY_SECONDS = 10.0
_LATE_SECONDS = 15.0

Json = dict[str, Any]


class Connection(FrameStream):
    """Owns the socket. Answers to requests that were given up or are not waited for are dropped.

    One thread at a time may use it: another one is refused with `usage`. For many threads there is `many.calls.Calls`.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._next = 0
        self._in_use = Lock()
        """Held while a frame is sent, and while an answer is waited for."""
        self._segments = ArgumentSegments(self._reserve, self._give_back)
        self._inline: set[str | None] = set()
        """Pools whose workers take no references."""
        self._unused: deque[str] = deque()
        """Segments with results that nobody uses any more: the server is told with the next frame."""
        self.kept: dict[int, deque[tuple[int, bytes]]] = {}
        """Frames about each followed query that came during other requests."""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives up whatever is still running on it. Arrays of results can be used still."""
        self.sock.close()
        self._segments.close()

    def wait_closed(self, seconds: float) -> None:
        """Until the server has closed it, which it does when it ends; gives up after `seconds`."""
        self.sock.settimeout(seconds + _LATE_SECONDS)
        try:
            while self.sock.recv(RECEIVE):
                pass
        except OSError:
            pass

    def query(self, op: str, *, patience: float | None = _QUERY_SECONDS, **fields: Any) -> Any:
        """Asks about or for something; `patience` is how long the server may take. Raises PitError."""
        body = json.dumps({"op": op, **{k: v for k, v in fields.items() if v is not None}}).encode()
        return json.loads(self.ask(op, body, patience=patience))

    def ask(self, op: str, body: bytes, *, patience: float | None = _QUERY_SECONDS) -> bytes:
        """As `query`, with a query and an answer that are JSON text. Raises PitError."""
        self.sock.settimeout(patience)
        request = self._send(front.QUERY, body)
        kind, answer = next(self._answers(request))
        if kind != front.RESULT:
            raise PitError("internal", f"the server answered {op} with a frame of kind {chr(kind)}")
        return bytes(answer)

    def chunks_of(self, op: str, **fields: Any) -> Iterator[bytes]:
        """The chunks with which a query is answered before its result. Raises PitError."""
        self.sock.settimeout(None)
        request = self._send(front.QUERY, json.dumps({"op": op, **fields}).encode())
        return (body for kind, body in self._answers(request) if kind == front.CHUNKS)

    def follow(self, body: bytes) -> Following:
        """Sends a query that is answered with chunks for a long time, among other requests on this connection."""
        self.sock.settimeout(None)
        request = self._send(front.QUERY, body)
        self.kept[request] = deque()
        return Following(self, request)

    def call(self, command: str, args: bytes = b"{}", **header: Any) -> bytes:
        """The result of a command as JSON. `header`: pool, session, timeout, nan, tool. Raises PitError."""
        return bytes(self._result(command, [args], header))

    def call_value(self, command: str, arguments: Mapping[str, Any] | None = None, **header: Any) -> Any:
        """The result of a command as a Python value. Raises PitError.

        Arguments may hold arrays (of numpy, DLPack or the buffer protocol), bytes and Arrow tables. So may the result:
        arrays come as read-only arrays of numpy, or memoryviews when there is no numpy.
        """
        from snakepit_cli.client import values

        return values.decode(self._result(command, values.encode(arguments or {}), {**header, "binary": True}))

    def _result(self, command: str, args: Sequence[Buffer], header: Mapping[str, Any]) -> Buffer:
        """What a call is answered with. Long arguments and long results travel by reference."""
        header = {**header, "references": True}
        size = sum(memoryview(one).nbytes for one in args)
        wait, pool = header.get("timeout") or WAIT_SECONDS, header.get("pool")
        if size >= ABOVE and pool not in self._inline and (put := self._segments.put(args, size, wait)):
            try:
                return self._refer(command, put, header)
            except PitError as error:
                if error.kind != "reference_failed":
                    raise
                self._inline.add(pool)
        return self._final(self.send_call(command, args, header))

    def _refer(self, command: str, put: tuple[Segment, Json], header: Mapping[str, Any]) -> Buffer:
        segment, reference = put
        try:
            place = f'"args_ref":{json.dumps(reference)}'
            body = self._final(self.send_call(command, [], {**header, "block": place}))
        except BaseException:
            self._segments.drop(segment)  # the call may go on, and read it
            raise
        self._segments.done(segment)
        return body

    def _final(self, request: int) -> Buffer:
        body: Buffer = next(body for kind, body in self._answers(request) if kind == front.RESULT)
        return body

    def stream(self, command: str, args: bytes = b"{}", **header: Any) -> Generator[bytes]:
        """Blocks of JSON lines, as they come. Closing the iterator gives up the request. Raises PitError."""
        return self._stream(command, [args], header)

    def stream_values(self, command: str, arguments: Mapping[str, Any] | None = None, **header: Any) -> Generator[Any]:
        """The chunks of a command as Python values, as they come: see `call_value`. Closing the iterator gives up the
        request. Raises PitError."""
        from snakepit_cli.client import values

        with closing(self._stream(command, values.encode(arguments or {}), {**header, "binary": True})) as blocks:
            for block in blocks:
                yield from values.chunks(block)

    def map(self, command: str, items: Iterable[Any], **options: Unpack[Options]) -> Generator[Any]:
        """Runs a command for each of many items: the answers as Python values, in the order of the items. See
        `map.library.mapped`, which says what the options are. Raises PitError."""
        from snakepit_cli.client.map.library import mapped

        return mapped(self, command, items, **options)

    def _stream(self, command: str, args: Sequence[Buffer], header: Mapping[str, Any]) -> Generator[bytes]:
        request = self.send_call(command, args, {**header, "stream": True, "references": True})
        ended = False
        try:
            for kind, body in self._answers(request):
                ended = kind == front.RESULT
                if kind == front.CHUNKS:
                    yield body
        except PitError:
            ended = True
            raise
        finally:
            if not ended:
                self.cancel(request)

    def cancel(self, request: int) -> None:
        try:
            self.sock.sendall(front.frame(front.CANCEL, request, b""))
        except OSError:
            pass

    def send_call(self, command: str, args: Sequence[Buffer], header: Mapping[str, Any]) -> int:
        """Sends a call whose arguments are these buffers, one after the other; the number of the request.

        Raises PitError, `invalid_arguments` for arguments that are too long.
        """
        if (size := sum(memoryview(one).nbytes for one in args)) > front.LONGEST_ARGUMENTS:
            raise front.too_long("the arguments have", size)
        timeout = header.get("timeout")
        self.sock.settimeout(None if timeout is None or header.get("stream") else timeout + _LATE_SECONDS)
        version = snakepit_cli.__version__
        return self._send(front.CALL, front.call_body(command, b"".join(args), version=version, cwd=cwd(), **header))

    def _send(self, kind: int, body: bytes) -> int:
        self._next += 1
        number = self._next
        self._send_frame(front.frame(kind, number, body))
        return number

    def _send_frame(self, frame: bytes) -> None:
        """Sends a frame, and before it which segments have been read."""
        if not self._in_use.acquire(blocking=False):
            raise _shared()
        try:
            while self._unused:
                frame = front.frame(front.RELEASE, 0, self._unused.popleft().encode()) + frame
            self.sock.sendall(frame)
        except TimeoutError:
            raise silent() from None
        except OSError:
            pass  # it may have said why before it closed: that is read next
        finally:
            self._in_use.release()

    def _reserve(self, count: int, *, wait: float) -> Json | None:
        found: Json | None = self.query("segments", patience=wait + _QUERY_SECONDS, bytes=count, wait=wait)
        return found

    def _give_back(self, count: int) -> None:
        self._send(front.QUERY, json.dumps({"op": "segments", "bytes": count}).encode())

    def _answers(self, request: int) -> Iterator[tuple[int, Any]]:
        """Frames about the request up to its end, those by reference as if they were not. Raises PitError for an error
        frame and for a lost connection."""
        while True:
            kind, body = self.next_about(request)
            if kind == front.ERROR:
                raise error_of(body)
            if kind == front.CHUNKS_REF:
                yield front.CHUNKS, self._chunk(json.loads(body))
            elif kind == front.RESULT_REF:
                yield front.RESULT, self._long_result(json.loads(body))
            else:
                yield kind, body
            if kind in {front.RESULT, front.RESULT_REF}:
                return

    def _long_result(self, reference: Json) -> memoryview:
        try:
            return segments.mapped(reference, self._unused.append)
        except PitError:
            self._unused.append(reference["path"])  # else the worker would not have it back while we are connected
            raise

    def _chunk(self, reference: Json) -> bytes:
        """A copy, so that the worker has its segment back at once: it makes the next chunk then, however many of those
        before are kept."""
        try:
            data = segments.read(reference)
        finally:
            self._unused.append(reference["path"])
        self._send_frame(b"")
        return data

    def next_about(self, request: int) -> tuple[int, bytes]:
        """The next frame about the request; those about what is followed meanwhile are kept for it."""
        kept = self.kept.get(request)
        if kept:
            return kept.popleft()
        if not self._in_use.acquire(blocking=False):
            raise _shared()
        try:
            while True:
                kind, about, body = self._frame()
                if about == request:
                    return kind, body
                self._keep(kind, about, body)
        finally:
            self._in_use.release()

    def _keep(self, kind: int, about: int, body: bytes) -> None:
        others = self.kept.get(about)
        if kind in {front.RESULT_REF, front.CHUNKS_REF}:  # of a call that was given up
            self._unused.append(json.loads(body)["path"])
        if others is None:
            return
        if len(others) == MOST_KEPT:
            del self.kept[about]
            self.cancel(about)
        else:
            others.append((kind, body))


def _shared() -> PitError:
    hint = "make a connection for each thread, or use Calls"
    return PitError("usage", "another thread uses this connection", hint=hint)


# ---------------------------------------------------------------------------------------------- requests


def ping(connection: Connection, *, patience: float = _QUERY_SECONDS) -> Json:
    answer: Json = connection.query("ping", patience=patience)
    return answer


def status(connection: Connection) -> Json:
    answer: Json = connection.query("status")
    return answer


def workers(connection: Connection, pool: str | None = None) -> list[Json]:
    answer: list[Json] = connection.query("workers", pool=pool)
    return answer


def commands(connection: Connection, pool: str | None = None) -> Json:
    """What the adapter of a pool offers. Starts the pool like a call, so it may take as long."""
    answer: Json = connection.query("commands", patience=None, pool=pool)
    return answer


def up(
    connection: Connection,
    *,
    pool: str,
    size: int | None,
    adapter: str | None,
    timeout: float | None,
    wait: bool,
    capacity: int | None = None,
    contain: str | None = None,
    spare: int | None = None,
    interpreter: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Json:
    """POOL, with `changed`: whether it was not already so."""
    answer: Json = connection.query(
        "up", patience=None if timeout is None else timeout + _LATE_SECONDS,
        pool=pool, size=size, capacity=capacity, contain=contain, spare=spare, adapter=adapter, cwd=cwd() or "/",
        python=sys.executable or None, interpreter=interpreter, variables=variables,
        env={**for_workers(os.environ), UMASK: umask()}, timeout=timeout, wait=wait,
    )  # fmt: skip
    return answer


def down(connection: Connection, pool: str, timeout: float) -> Json:
    answer: Json = connection.query("down", patience=timeout + _LATE_SECONDS, pool=pool, timeout=timeout)
    return answer


def scale(connection: Connection, pool: str, size: int, timeout: float) -> Json:
    """POOL, when all its workers are ready."""
    answer: Json = connection.query("scale", patience=timeout + _LATE_SECONDS, pool=pool, size=size, timeout=timeout)
    return answer


def admit(connection: Connection, pool: str, gate: str) -> Json:
    """POOL. `gate`: open, paused (calls wait) or closed (there are no new ones)."""
    answer: Json = connection.query("admit", pool=pool, gate=gate)
    return answer


def drain(connection: Connection, pool: str, timeout: float | None) -> Json:
    """POOL, when it has no calls any more."""
    patience = None if timeout is None else timeout + _LATE_SECONDS
    answer: Json = connection.query("drain", patience=patience, pool=pool, timeout=timeout)
    return answer


def replace(connection: Connection, *, pool: str | None, worker: str | None, timeout: float) -> Json:
    """POOL with `replaced`, when the new workers are ready and the old ones gone."""
    answer: Json = connection.query(
        "replace", patience=timeout + _LATE_SECONDS, pool=pool, worker=worker, timeout=timeout
    )
    return answer


def explain(connection: Connection, call: int | str | None) -> list[Json]:
    """Where the time of a call, or of the latest ones, went."""
    answer: list[Json] = connection.query("explain", call=call)
    return answer


def detach(connection: Connection, request: Request) -> Json:
    """Begins a stream that goes on by itself: STREAM. Raises PitError, also for binary arguments."""
    if request.arguments()[:1] == b"\0":
        hint = "pass the name of the file instead"
        raise PitError("usage", "a stream in the background takes no binary arguments", hint=hint)
    answer: Json = connection.query(
        "detach", patience=60.0, command=request.command, args=request.arguments().decode(), cwd=cwd(),
        pool=request.pool, session=request.session, timeout=request.timeout, affinity=request.affinity,
        nan=request.nan, metadata=request.metadata,
    )  # fmt: skip
    return answer


def streams(connection: Connection) -> list[Json]:
    answer: list[Json] = connection.query("streams")
    return answer


def tail(connection: Connection, name: str, start: str | int) -> Iterator[bytes]:
    """Blocks of JSON lines of a detached stream, up to its end. Raises PitError, also when it has failed."""
    return connection.chunks_of("tail", id=name, **{"from": start})


def wait(connection: Connection, ids: list[str], timeout: float | None) -> list[Json]:
    """STREAMs, when all are over."""
    patience = None if timeout is None else timeout + _LATE_SECONDS
    answer: list[Json] = connection.query("wait", patience=patience, ids=ids, timeout=timeout)
    return answer


def cancel(connection: Connection, what: str | int) -> Json:
    """`cancelled`: whether it was still running."""
    answer: Json = connection.query("cancel", id=what)
    return answer


def shutdown(connection: Connection, timeout: float, *, patience: float, if_idle: bool = False) -> Json:
    """Everything is stopped when it answers; the warden ends next."""
    answer: Json = connection.query("shutdown", patience=patience, timeout=timeout, if_idle=if_idle or None)
    return answer


def restart(connection: Connection, timeout: float) -> Json:
    answer: Json = connection.query("restart", patience=timeout + _LATE_SECONDS, timeout=timeout)
    return answer


def reap(connection: Connection, *, dry_run: bool) -> list[Json]:
    answer: list[Json] = connection.query("reap", patience=60.0, dry_run=dry_run)
    return answer
