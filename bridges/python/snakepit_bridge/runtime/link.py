"""The worker's stream to the server: dial, say hello, hand over what arrives, dial again when it breaks."""

from __future__ import annotations

import contextlib
import os
import select
from time import monotonic
from typing import Callable, Protocol

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.runtime import http2
from snakepit_bridge.runtime.calls import Call, CallTable
from snakepit_bridge.runtime.forks import leave_if_forked
from snakepit_bridge.runtime.http2 import GatewayStream
from snakepit_bridge.runtime.long_replies import fetched
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.requests import Requests
from snakepit_bridge.runtime.segments import Segments

__all__ = ["EXIT_REFUSED", "EXIT_UNREACHABLE", "EXIT_VERSION", "Link", "Listener"]

METHOD = "/snakepit.worker.v1.Gateway/Attach"
_new_poll = select.poll  # an adapter may patch it away
EXIT_UNREACHABLE = 69
EXIT_VERSION = 76
EXIT_REFUSED = 77
GIVE_UP_AFTER = 60.0
FAREWELL_AFTER = 3.0
BACKOFF_FIRST, BACKOFF_LAST = 0.02, 0.2
DEFAULT_LIMIT = 4 << 20


class Listener(Protocol):
    """Callbacks for what arrives."""

    def on_call(self, call: Call) -> None: ...
    def on_session_ended(self, session: str) -> None: ...
    def on_drain(self) -> None: ...
    def on_gone(self, code: int, reason: str) -> None:
        """There is no way back: the worker should exit with this code."""


class Link:
    """`step` is for the reader, one thread at a time; everything else is for any thread."""

    def __init__(self, address: str, first: Callable[[], pb.FromWorker], table: CallTable, listener: Listener) -> None:
        self._address = address
        self._first = first
        self._table = table
        self._listener = listener
        self.requests = Requests()
        self._stream: GatewayStream | None = None
        self._segments: Segments | None = None
        """For answers on the present stream."""
        self._attached = False
        self._status = http2.UNAVAILABLE
        """How the last stream ended."""
        self._closing = False
        self._backoff = BACKOFF_FIRST
        self._dial_at = 0.0
        self._give_up_at = monotonic() + GIVE_UP_AFTER
        self.later: Callable[[], None] = _at_once
        """Has the outbox flushed within a millisecond or so."""
        self.limit = DEFAULT_LIMIT
        """Welcome.max_message_bytes."""

    @property
    def open(self) -> bool:
        return self._stream is not None

    def close(self) -> None:
        """No redialling any more; what is in the outbox still leaves, then the stream ends."""
        self._closing = True
        stream = self._stream
        if stream is not None:
            stream.outbox.close()

    def abandon(self) -> None:
        """In a forked child: the stream is the worker's. Whatever would be sent ends the child."""
        stream = self._stream
        self.requests.cache.abandon()
        if stream is not None:
            stream.outbox.abandon(leave_if_forked)

    def flush(self) -> bool:
        """Sends what there is to say; whether there was something."""
        stream = self._stream
        if stream is None:
            return False
        if (late := stream.outbox.late) is not None:
            late()
        if not stream.pending():
            return False
        stream.pump()
        return True

    @property
    def keeps_back(self) -> bool:
        """Answers wait for others to leave with them."""
        return self._stream is not None and self._stream.outbox.late is not None

    def pending(self) -> bool:
        stream = self._stream
        return stream is not None and stream.pending()

    # ------------------------------------------------------------------------------ the reading thread

    def step(self, wake: int, patience: float | None = None) -> None:
        """Hands over what the server says next, or dials; a byte in `wake` or `patience` (seconds) ends the wait."""
        stream = self._stream or self._dial(wake, patience)
        if stream is None:
            return
        for descriptor, _ in stream.poll(wake).poll(None if patience is None else patience * 1000):
            if descriptor == wake:
                _hear(wake)
            else:
                self._receive(stream)

    def await_word(self, wake: int, patience: float | None = None) -> None:
        """Waits for a byte in `wake` only, for `patience` seconds at most."""
        poll = _new_poll()
        poll.register(wake, select.POLLIN)
        if poll.poll(None if patience is None else patience * 1000):
            _hear(wake)

    def farewell(self, wake: int) -> None:
        """Sends the first message and nothing else; returns when the server has taken it."""
        deadline = monotonic() + FAREWELL_AFTER
        while self._status == http2.UNAVAILABLE and (left := deadline - monotonic()) > 0:
            self.step(wake, left)

    def _dial(self, wake: int, patience: float | None) -> GatewayStream | None:
        pause = self._dial_at - monotonic()
        if self._closing or pause > 0:
            pause = max(pause, 0.0)
            poll = _new_poll()
            poll.register(wake, select.POLLIN)
            if poll.poll(1000 * (pause if patience is None else min(pause, patience))):
                _hear(wake)
            return None
        try:
            outbox = Outbox(self._first(), self.later)
            self._stream = GatewayStream(self._address, METHOD, outbox)
        except OSError as error:
            self._ended(http2.UNAVAILABLE, error.strerror or str(error))
        return self._stream

    def _receive(self, stream: GatewayStream) -> None:
        messages = stream.receive()
        for raw in messages or ():
            self._take(pb.ToWorker.FromString(raw), stream.outbox)
        if messages is None or stream.ended:
            self._stream = None
            stream.close()
            self._ended(*stream.status)

    def _ended(self, code: int, details: str) -> None:
        """The stream is over, or could not be opened. Decides when to dial again, if at all."""
        self._status = code
        # These answers are not awaited any more; on the next stream the ids would mean other calls.
        self._table.cancel_all()
        self.requests.lost()
        if self._segments is not None:
            self._segments.lost()
            self._segments = None
        now = monotonic()
        if self._attached:
            self._attached = False
            self._backoff, self._give_up_at = BACKOFF_FIRST, now + GIVE_UP_AFTER
        elif code in _HOPELESS:
            status, what = _HOPELESS[code]
            self._listener.on_gone(status, f"the server {what} this worker: {details}")
        elif now >= self._give_up_at:
            self._listener.on_gone(EXIT_UNREACHABLE, f"no server at {self._address} for {GIVE_UP_AFTER:.0f} s")
        self._dial_at = now + self._backoff
        self._backoff = min(self._backoff * 2, BACKOFF_LAST)

    def _take(self, message: pb.ToWorker, outbox: Outbox) -> None:
        """Hands over one message. Fields are looked at in the order of the contract."""
        for spec in message.calls:
            call = Call(spec, outbox, self.requests, self._segments)
            self._table.arrive(call)
            self._listener.on_call(call)
        for cancel in message.cancels:
            self._table.cancel(cancel.id)
        if message.replies or message.reply_chunks or message.invalidations or message.ended_sessions:
            self._take_state(message, outbox)
        if message.released or message.segment_bytes:
            self._take_segments(message)
        for call_id in message.recalls:
            self._table.recall(call_id)
        for credit in message.credits:
            self._table.credit(credit.id, credit.bytes)
        if message.HasField("ping"):
            outbox.put_pong(message.ping.nonce)
        if message.HasField("welcome"):
            self._welcomed(message.welcome, outbox)
        if message.HasField("drain"):
            self._listener.on_drain()

    def _welcomed(self, welcome: pb.Welcome, outbox: Outbox) -> None:
        self._attached = True
        self.limit = welcome.max_message_bytes or DEFAULT_LIMIT
        if welcome.segments:
            self._segments = Segments(welcome, outbox.put_segment_bytes)

    def _take_segments(self, message: pb.ToWorker) -> None:
        if self._segments is not None:
            self._segments.released(message.released)
            if message.segment_bytes:
                self._segments.granted(message.segment_bytes)

    def _take_state(self, message: pb.ToWorker, outbox: Outbox) -> None:
        """What concerns the requests of handlers and the sessions that they use."""
        for part in message.reply_chunks:
            self.requests.part(part)
        for result in message.replies:
            self.requests.replied(fetched(result, outbox) if result.HasField("value_ref") else result)
        for invalidation in message.invalidations:
            self.requests.cache.drop(invalidation.session, invalidation.names)
            outbox.put_invalidated(invalidation.id)
        for session in message.ended_sessions:
            self.requests.cache.drop(session)
            self.requests.tools.end(session)
            self._listener.on_session_ended(session)


_HOPELESS = {
    http2.UNAUTHENTICATED: (EXIT_REFUSED, "refused"),
    http2.FAILED_PRECONDITION: (EXIT_VERSION, "cannot use"),
}
"""Statuses after which there is no use in trying again: exit status and verb."""


def _hear(wake: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(wake, 4096)


def _at_once() -> None:
    """For a link without a standby reader, which sends nothing later."""
