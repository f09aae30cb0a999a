"""The front socket: frames in, frames out. docs/reference/front-protocol.md is the specification."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.call import Call, Header, Lent, Runner
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.malloc_tuning import MallocTuning
from snakepit_cli.server.peers import peer_uid
from snakepit_cli.server.segments import Owner, Segments
from snakepit_cli.server.serial_spin import SerialSpin
from snakepit_cli.wire import fields, ops
from snakepit_cli.wire import front as wire
from snakepit_cli.wire.reference import from_message

HEADROOM = 64 << 10
"""What a frame may have beyond the largest arguments: its header line."""
_BUFFER_HIGH = 2 << 20
_SAID_HIGH = 64 << 10
"""Bytes of a query's chunks that wait in memory. Low: a thousand may watch, and the store keeps the changes."""
_LONG = 1 << 16
_QUEUED = 4
"""Times the longest message: bytes of arguments and queries of a client that have no answer."""
_MOST_QUERIES = 10_000
"""Of a client, without an answer."""
_UNREAD = 8
"""Times the longest message: bytes of answers that a client may leave unread."""
_encode = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(Header).decode
_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the decoders raise."""


class Host(Protocol):
    """What a connection needs of the rest of the server."""

    max_message_bytes: int
    coalescer: Coalescer
    malloc_tuning: MallocTuning
    segments: Segments
    spin: SerialSpin

    def submit(self, caller: Connection, request: int, header: Header, args: bytes) -> tuple[Runner, Call]:
        """Raises PitError."""

    def busy(self) -> bool: ...


Say = Callable[[bytes], Awaitable[None]]
Query = Callable[[ops.Request, Say], Coroutine[Any, Any, Any]]
"""Answers a query. What it says before that goes out as chunks; saying waits while the client has enough of them."""


class Connection(asyncio.Protocol):
    """One client. Its calls are given up when it goes away."""

    def __init__(self, host: Host, query: Query, connections: set[Connection]) -> None:
        self._host = host
        self._query = query
        self._connections = connections
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._skip = 0
        self._out: list[bytes] = []
        self._gone = False
        self._room = asyncio.Event()
        self._head: bytes | None = None
        self._header: Header
        self._calls: dict[int, tuple[Runner, Call]] = {}
        self._sizes: dict[int, int] = {}
        self._held = 0
        """Bytes of its calls and queries, which `_sizes` has one by one."""
        self._deaf = False
        """Nothing is read from it until it has read what it was sent."""
        self._queries: dict[int, asyncio.Task[None]] = {}
        self._owner: Owner | None = None
        """Of segments that it makes itself."""
        self._lent: dict[str, Lent] = {}
        """Segments that it reads, by path."""
        self.congested = False

    # ------------------------------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.set_write_buffer_limits(high=_BUFFER_HIGH)
        if peer_uid(transport) not in {None, os.geteuid()}:
            self._transport.abort()
            return
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 — the reason changes nothing
        self._connections.discard(self)
        self._gone = True
        for pool, call in list(self._calls.values()):
            pool.cancel(call)
        for task in self._queries.values():
            task.cancel()
        self._queries.clear()
        for lent in self._lent.values():
            lent.release()
        self._lent.clear()
        if self._owner is not None:
            self._owner.gone()

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        self._room.set()
        if self._deaf:
            self._deaf = False
            self._transport.resume_reading()
        for pool, call in self._calls.values():
            pool.resume(call)

    def data_received(self, data: bytes) -> None:
        coalescer = self._host.coalescer
        coalescer.held = True
        try:
            self._take(data)
        finally:
            coalescer.flush()

    def _take(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        while True:
            if self._skip:
                skipped = min(self._skip, size - at)
                self._skip -= skipped
                at += skipped
            if size - at < wire.HEADER:
                break
            kind = buffer[at]
            length = int.from_bytes(buffer[at + 1 : at + 5], "big") - 4
            request = int.from_bytes(buffer[at + 5 : at + 9], "big")
            if length < 0 or kind not in _KINDS:
                self._transport.abort()  # not our protocol: there is no way to find the next frame
                return
            at += wire.HEADER
            if length > self._host.max_message_bytes + HEADROOM:
                self._skip = length
                self._refuse(request, _too_large(length, self._host.max_message_bytes))
                continue
            if size - at < length:
                at -= wire.HEADER
                break
            body = bytes(buffer[at : at + length])
            at += length
            _KINDS[kind](self, request, body)
        del buffer[:at]

    # --------------------------------------------------------------------------------------- requests

    def _call(self, request: int, body: bytes) -> None:
        head, _, args = body.partition(b"\n")
        if len(args) > _LONG:
            self._host.malloc_tuning.used()
        try:
            if head != self._head:  # many calls in a row are alike
                self._header, self._head = _decode_header(head), head
            header = self._header
            if header.version != __version__:
                raise _skew(header.version, busy=self._host.busy())
            if self._runs(request):
                raise _still_running(request)
            self._check_size(header, len(args))
            pool, call = self._host.submit(self, request, header, args)
        except _MALFORMED as error:
            self._refuse(request, PitError("usage", fields.why(Header, head, error)))
        except PitError as error:
            self._refuse(request, error)
        else:
            # A call that was settled at once is over already.
            if call.open:
                self._calls[request] = pool, call
                self._host.spin.began()
                self._sizes[request] = len(args)
                self._held += len(args)

    def _check_size(self, header: Header, size: int) -> None:
        """Raises PitError when the arguments are longer than allowed, alone or with those of the calls that run."""
        longest = self._host.max_message_bytes
        if header.items is None and size > longest:
            raise _too_large(size, longest, "the arguments have")
        if header.items_ref is not None and header.items_ref.length > longest:
            raise _too_large(header.items_ref.length, longest, "the block has")
        most = max(longest, self._host.segments.quota)
        if header.args_ref is not None and header.args_ref.length > most:
            raise _too_large(header.args_ref.length, most, "the arguments have")
        if self._held and self._held + size > _QUEUED * longest:
            raise _too_much(self._held, _QUEUED * longest)

    def _ask(self, request: int, body: bytes) -> None:
        most = _QUEUED * self._host.max_message_bytes
        if self._runs(request):
            self._refuse(request, _still_running(request))
        elif len(self._queries) >= _MOST_QUERIES:
            text = f"this client has {_MOST_QUERIES:,} queries without an answer; no more are allowed"
            self._refuse(request, PitError("pool_saturated", text, hint="read answers before you send more"))
        elif self._held and self._held + len(body) > most:
            self._refuse(request, _too_much(self._held, most))
        else:
            self._sizes[request] = len(body)
            self._held += len(body)
            self._queries[request] = asyncio.get_running_loop().create_task(self._answer(request, body))

    async def _answer(self, request: int, body: bytes) -> None:
        try:
            asked = ops.decode(body)
            if isinstance(asked, ops.Segments):
                value = _encode(await self._reserve(asked))
            else:
                value = _encode(await self._query(asked, lambda lines: self._say(request, lines)))
        except PitError as error:
            self._answered(request, error)
        except asyncio.CancelledError:
            self._answered(request, PitError("cancelled", "the server gave the query up"))
            raise
        except Exception as error:
            self._answered(request, PitError("internal", f"{type(error).__name__}: {error}"))
            raise
        else:
            self._answered(request, value)

    async def _reserve(self, asked: ops.Segments) -> dict[str, Any] | None:
        """Room for segments of the client's own; None when there is no shared memory."""
        segments = self._host.segments
        if segments.folder is None or self._gone:
            return None
        if self._owner is None:
            self._owner = segments.owner("client")
        self._owner.grant(asked.bytes)
        if asked.wait:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(segments.grant(self._owner, asked.bytes), asked.wait)
        most = segments.most(self._owner)
        return {**self._owner.facts(), "longest": self._host.max_message_bytes, "most": most}

    async def _say(self, request: int, lines: bytes) -> None:
        self.chunks(request, lines)
        await asyncio.sleep(0)  # the frame has left, or is on its way
        if not self.congested and self._transport.get_write_buffer_size() > _SAID_HIGH:
            self._transport.set_write_buffer_limits(high=_SAID_HIGH)  # congested from now on
        if self.congested:
            self._room.clear()
            await self._room.wait()
            self._transport.set_write_buffer_limits(high=_BUFFER_HIGH)

    def _answered(self, request: int, outcome: bytes | PitError) -> None:
        """By the query's own task. Nothing when the client has given it up: it has been told so."""
        if self._queries.get(request) is not asyncio.current_task():
            return
        del self._queries[request]
        if isinstance(outcome, PitError):
            self.error(request, outcome)
        else:
            self.result(request, outcome)

    def _cancel(self, request: int, _: bytes) -> None:
        if known := self._calls.get(request):
            known[0].cancel(known[1])
        elif task := self._queries.pop(request, None):
            task.cancel()
            self.error(request, PitError("cancelled", "cancelled by the caller"))

    def _release(self, _: int, body: bytes) -> None:
        if lent := self._lent.pop(body.decode(errors="replace"), None):
            lent.release()

    def _runs(self, request: int) -> bool:
        return request in self._calls or request in self._queries

    # ---------------------------------------------------------------------------------------- answers

    def _put(self, kind: int, request: int, body: bytes) -> None:
        first = not self._out
        if len(body) > _LONG:
            self._host.malloc_tuning.used()
            self._out += (wire.head(kind, request, len(body)), body)
        else:
            self._out.append(wire.frame(kind, request, body))
        if first:
            self._host.coalescer.begun(self._send)

    def _send(self) -> None:
        frames, self._out = self._out, []
        if self._gone:  # a closed transport would raise
            return
        if len(frames) == 1:
            self._transport.write(frames[0])
        elif any(len(one) > _LONG for one in frames):
            self._transport.writelines(frames)  # nothing long is copied
        else:
            self._transport.write(b"".join(frames))
        if self.congested:
            self._hold_back()

    def _hold_back(self) -> None:
        """A client that asks and does not read: first it is not heard any more, then it is given up."""
        unread, longest = self._transport.get_write_buffer_size(), self._host.max_message_bytes
        if unread > _UNREAD * longest:
            print(f"a client with {unread:,} bytes that it does not read is given up", file=sys.stderr, flush=True)
            self._transport.abort()
        elif unread > longest and not self._deaf:
            self._deaf = True
            self._transport.pause_reading()

    def result(self, request: int, value: bytes) -> None:
        self._forget(request)
        self._put(wire.RESULT, request, value)

    def error(self, request: int, error: PitError) -> None:
        self._forget(request)
        self._refuse(request, error)

    def _forget(self, request: int) -> None:
        if self._calls.pop(request, None) is not None:
            self._host.spin.ended()
        self._held -= self._sizes.pop(request, 0)

    def _refuse(self, request: int, error: PitError) -> None:
        """An error about a frame that began nothing. A request of the same number that runs goes on."""
        self._put(wire.ERROR, request, _encode(error.as_dict()))

    def chunks(self, request: int, lines: bytes) -> None:
        self._put(wire.CHUNKS, request, lines)

    def note(self, request: int, text: str) -> None:
        self._put(wire.NOTE, request, text.encode())

    def answers(self, request: int, lines: bytes, failed: Sequence[int]) -> None:
        self._put(wire.ANSWERS, request, wire.answers_body(lines, failed))

    def result_ref(self, request: int, lent: Lent) -> None:
        self._forget(request)
        self._put_ref(wire.RESULT_REF, request, lent, self._told(lent))

    def chunks_ref(self, request: int, lent: Lent) -> None:
        self._put_ref(wire.CHUNKS_REF, request, lent, self._told(lent))

    def answers_ref(self, request: int, lent: Lent, count: int, failed: Sequence[int]) -> None:
        self._put_ref(wire.ANSWERS_REF, request, lent, wire.answers_ref_body(count, failed, self._told(lent)))

    @staticmethod
    def _told(lent: Lent) -> bytes:
        return _encode(from_message(lent.ref))

    def _put_ref(self, kind: int, request: int, lent: Lent, body: bytes) -> None:
        if self._gone:
            lent.release()
            return
        self._lent[lent.ref.path] = lent
        self._put(kind, request, body)


_KINDS: dict[int, Callable[[Connection, int, bytes], None]] = {
    wire.CALL: Connection._call,  # noqa: SLF001 — the table belongs to the class
    wire.QUERY: Connection._ask,  # noqa: SLF001
    wire.CANCEL: Connection._cancel,  # noqa: SLF001
    wire.RELEASE: Connection._release,  # noqa: SLF001
}


def _too_large(length: int, limit: int, what: str = "the request has") -> PitError:
    hint = "pass a file name instead, or raise server.max_message_bytes in the configuration"
    return PitError("invalid_arguments", f"{what} {length:,} bytes; {limit:,} are allowed", hint=hint)


def _too_much(held: int, most: int) -> PitError:
    text = f"this client has {held:,} bytes in calls and queries without an answer; {most:,} are allowed"
    return PitError("pool_saturated", text, hint="read answers before you send more, or pass file names")


def _still_running(request: int) -> PitError:
    return PitError("usage", f"request {request} is still running")


def _skew(client: str, *, busy: bool) -> PitError:
    return PitError("version_skew", f"the client is version {client}, the server {__version__}", busy=busy)
