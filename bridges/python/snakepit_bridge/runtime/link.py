"""The worker's stream to the server: dial, say hello, hand over what arrives, dial again when it breaks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Protocol

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.runtime import http2
from snakepit_bridge.runtime.calls import Call, CallTable
from snakepit_bridge.runtime.outbox import Outbox

__all__ = ["EXIT_REFUSED", "EXIT_UNREACHABLE", "EXIT_VERSION", "Link", "Listener"]

METHOD = "/snakepit.worker.v1.Gateway/Attach"
EXIT_UNREACHABLE = 69
EXIT_VERSION = 76
EXIT_REFUSED = 77
GIVE_UP_AFTER = 60.0
FAREWELL_AFTER = 3.0
BACKOFF_FIRST, BACKOFF_LAST = 0.05, 1.0
DEFAULT_LIMIT = 4 << 20


class Listener(Protocol):
    """Who is told what arrives."""

    def on_call(self, call: Call) -> None: ...
    def on_drain(self) -> None: ...
    def on_gone(self, code: int, reason: str) -> None:
        """There is no way back: the worker should exit with this code."""


@dataclass
class Ended:
    """How one stream ended."""

    attached: bool
    code: int
    details: str


class Link:
    """Lives in the reader's thread; `close` may be called from any."""

    def __init__(self, address: str, first: Callable[[], pb.FromWorker], table: CallTable, listener: Listener) -> None:
        self._address = address
        self._first = first
        self._table = table
        self._listener = listener
        self._outbox: Outbox | None = None
        self._closing = False
        self.limit = DEFAULT_LIMIT
        """Welcome.max_message_bytes."""

    def close(self) -> None:
        """No redialling any more; what is in the outbox still leaves, then the stream ends."""
        self._closing = True
        if self._outbox is not None:
            self._outbox.close()

    def run(self) -> None:
        """Serves until closed or hopeless."""
        backoff = BACKOFF_FIRST
        deadline = time.monotonic() + GIVE_UP_AFTER
        while not self._closing:
            ended = self._session()
            # Nobody waits for these answers any more; the ids would mean other calls on the next stream.
            self._table.cancel_all()
            if self._closing:
                break
            if ended.attached:
                backoff, deadline = BACKOFF_FIRST, time.monotonic() + GIVE_UP_AFTER
            elif self._hopeless(ended):
                return
            if time.monotonic() >= deadline:
                self._listener.on_gone(EXIT_UNREACHABLE, f"no server at {self._address} for {GIVE_UP_AFTER:.0f} s")
                return
            time.sleep(backoff)
            backoff = min(backoff * 2, BACKOFF_LAST)

    def farewell(self) -> None:
        """Sends the first message and nothing else."""
        self._closing = True
        deadline = time.monotonic() + FAREWELL_AFTER
        while self._session().code == http2.UNAVAILABLE and time.monotonic() < deadline:
            time.sleep(BACKOFF_FIRST)

    def _hopeless(self, ended: Ended) -> bool:
        if ended.code == http2.UNAUTHENTICATED:
            self._listener.on_gone(EXIT_REFUSED, f"the server refused this worker: {ended.details}")
            return True
        if ended.code == http2.FAILED_PRECONDITION:
            self._listener.on_gone(EXIT_VERSION, f"the server cannot use this worker: {ended.details}")
            return True
        return False

    def _session(self) -> Ended:
        outbox = Outbox(self._first())
        attached = False
        try:
            stream = http2.GatewayStream(self._address, METHOD, outbox)
        except OSError as error:
            return Ended(False, http2.UNAVAILABLE, error.strerror or str(error))
        try:
            self._outbox = outbox
            if self._closing:
                outbox.close()
            for raw in stream:
                message = pb.ToWorker.FromString(raw)
                attached = attached or message.HasField("welcome")
                self._take(message, outbox)
            return Ended(attached, *stream.status)
        finally:
            self._outbox = None
            outbox.close()
            stream.close()

    def _take(self, message: pb.ToWorker, outbox: Outbox) -> None:
        """Hands over one message. Fields are looked at in the order of the contract."""
        for spec in message.calls:
            call = Call(spec, outbox)
            self._table.arrive(call)
            self._listener.on_call(call)
        for cancel in message.cancels:
            self._table.cancel(cancel.id)
        for credit in message.credits:
            self._table.credit(credit.id, credit.bytes)
        if message.HasField("ping"):
            outbox.put_pong(message.ping.nonce)
        if message.HasField("welcome"):
            self.limit = message.welcome.max_message_bytes or DEFAULT_LIMIT
        if message.HasField("drain"):
            self._listener.on_drain()
