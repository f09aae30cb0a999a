"""Many calls outstanding on one connection: each has its own answer, error and deadline.

Calls that wait while others are out leave as one block; `groups` decides which. In a block a worker has each answer in
a safe place before it begins the next item. So when the worker has died, the first call without an answer was running
and is answered with that error; those behind it have not begun, and are sent again, each by itself. A block that ends
in any other way without all answers (its time is over, its worker does not react, the server is gone) may have got
further than we know: all its calls without an answer may have begun, and get the error. No call is run twice.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import segments
from snakepit_cli.client.argument_segments import Segment
from snakepit_cli.client.error_frames import error_of
from snakepit_cli.client.many import groups
from snakepit_cli.client.many.groups import Group
from snakepit_cli.client.many.lender import Lender, Put
from snakepit_cli.client.many.pending import Pending
from snakepit_cli.wire import front

MOST_CALLS = 100_000
MOST_BYTES = 64 << 20
"""Of the arguments of the calls without an answer."""
_MOST_GROUPS = 1000
_RECEIVE = 1 << 18
_LATE_SECONDS = 15.0
"""After a deadline that the server should have kept."""
_DIED = frozenset({"worker_crashed", "worker_oom"})
"""Errors of a block whose first call without an answer was running, and none behind it."""


@dataclass(slots=True)
class _Sent:
    """A frame without a final answer."""

    group: Group
    calls: list[Pending]
    block: bool
    held: bool
    """It is not sent yet: its arguments are being put into shared memory."""
    segment: Segment | None = None
    """Where the arguments are, if they are not in the frame."""
    answered: int = 0


class Calls:
    """Owns the socket, and a thread that reads from it. Use it from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.lock = threading.Lock()
        """Held where anything of this or of its calls changes, and never while something waits."""
        self._sock = sock
        self._sock.setblocking(False)
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._groups: dict[object, Group] = {}
        self._out: dict[int, _Sent] = {}
        self._next = 0
        self._count = self._bytes = 0
        """Of the calls without an answer, and of their arguments."""
        self._outgoing: list[bytes | memoryview] = []
        """What the socket has not taken yet."""
        self._look_at = inf
        """When something is to be looked after."""
        self._gone: PitError | None = None
        self._settled: list[Pending] = []
        """Whose callbacks are to be called."""
        self._buffer = bytearray()
        self._lender = Lender(self)
        self._inline: set[object] = set()
        """Pools whose workers take no references."""
        self._thread = threading.Thread(target=self._read, name="snakepit-calls", daemon=True)
        self._thread.start()

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives up all calls without an answer: they get `cancelled`. Not from a callback."""
        self._end(PitError("cancelled", "the connection has been closed"))
        if threading.current_thread() is not self._thread:
            self._thread.join()
            self._lender.join()

    def submit(self, command: str, args: bytes = b"{}", *, timeout: float | None = None, **header: Any) -> Pending:
        """Begins a call. `header`: pool, session, metadata, nan, affinity, idempotent, tool, binary.

        `timeout` is in seconds from now. Raises PitError `pool_saturated` when more than `MOST_CALLS` or `MOST_BYTES`
        have no answer, `invalid_arguments` when the arguments are too long for a message.
        """
        now = time.monotonic()
        call = Pending(self, args, now, inf if timeout is None else now + timeout)
        key = groups.key(command, args, timeout, header)
        with self.lock:
            if self._gone is not None:
                raise self._gone.with_traceback(None)
            self._admit(len(args))
            group = self._groups.get(key) or self._grouped(key, command, timeout, header)
            group.waiting.append(call)
            self._count += 1
            self._bytes += len(args)
            if len(group.waiting) == 1 or group.pace.items == 1 or len(group.waiting) >= group.pace.items:
                self._pump(group, now)
                if self._outgoing:
                    self._flush()
            settled = self._taken()
        _call_back(settled)
        return call

    def cancel(self, call: Pending) -> bool:
        """See `Pending.cancel`."""
        with self.lock:
            sent = self._out.get(call.request)
            if call.done or (sent is not None and sent.block):
                return False
            if sent is not None:
                self._give_up(call.request)
            self._settle(call, b"", PitError("cancelled", "cancelled by the caller"))
            settled = self._taken()
        _call_back(settled)
        return True

    # --------------------------------------------------------------------------------- out, with the lock

    def _admit(self, size: int) -> None:
        if size > front.LONGEST_ARGUMENTS:
            raise front.too_long("the arguments have", size)
        hint = "wait for answers before you submit more"
        if self._count >= MOST_CALLS:
            raise PitError("pool_saturated", f"{self._count:,} calls have no answer; no more are allowed", hint=hint)
        if self._bytes and self._bytes + size > MOST_BYTES:
            text = f"calls without an answer have {self._bytes:,} bytes of arguments; {MOST_BYTES:,} are allowed"
            raise PitError("pool_saturated", text, hint=hint)

    def _grouped(self, key: tuple[Any, ...], command: str, timeout: float | None, header: dict[str, Any]) -> Group:
        if forbidden := header.keys() & {"stream", "block", "references"}:
            hint = "streams have connections of their own: see Connection.stream"
            raise PitError("usage", f"no {min(forbidden)} among many calls", hint=hint)
        front.call_body(command, b"", version="", cwd="", **header)  # raises for what is not in a header
        if len(self._groups) >= _MOST_GROUPS:
            self._groups = {name: one for name, one in self._groups.items() if one.out or one.waiting}
        group = Group(command, header, key[1], timeout, not key[3] or groups.alone(header))
        self._groups[key] = group
        return group

    def _pump(self, group: Group, now: float, *, answered: bool = False) -> None:
        """Sends what is to leave."""
        while count := group.leaving(now, answered=answered):
            if calls := group.take(count):
                self._send(group, calls, now)
        if group.waiting:
            self._look(group.patience())

    def _send(self, group: Group, calls: list[Pending], now: float) -> None:
        tries = len(calls) == 1 and groups.crowded(group)
        group.trying = group.trying or tries
        block = tries or len(calls) > 1
        held = not block and group.header.get("pool") not in self._inline and self._lender.takes(len(calls[0].args))
        request = self._number()
        self._out[request] = _Sent(group, calls, block, held)
        group.out += 1
        for call in calls:
            call.request = request
        if held:
            self._lender.give(request, calls[0])
        else:
            self._outgoing.append(front.frame(front.CALL, request, group.body(calls, now, block=block)))
        if group.timeout is not None:
            self._look(calls[0].deadline + (0.0 if block or held else _LATE_SECONDS))

    def _number(self) -> int:
        """Of the next request."""
        self._next = self._next % 0xFFFFFFFF + 1
        return self._next

    def _look(self, instant: float) -> None:
        """Something is to be looked after then."""
        if instant < self._look_at:
            self._look_at = instant
            if threading.get_ident() != self._thread.ident:
                self._ring()

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def _flush(self) -> None:
        """Sends what the socket takes; the rest is the reading thread's."""
        data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(data)  # the end is read
        self._outgoing = [memoryview(data)[sent:]] if sent < len(data) else []
        if self._outgoing and threading.get_ident() != self._thread.ident:
            self._ring()

    def _give_up(self, request: int) -> None:
        sent = self._out.pop(request)
        sent.group.out -= 1
        sent.group.trying = sent.group.trying and not sent.block
        self._return(sent, well=False)
        if not sent.held:
            self._outgoing.append(front.frame(front.CANCEL, request, b""))
            self._flush()
        self._look(0.0)  # another may leave in its place

    # ----------------------------------------------------------------------- for the lender, with the lock

    def ask(self, query: dict[str, Any]) -> int:
        request = self._number()
        if self._gone is None:
            self._outgoing.append(front.frame(front.QUERY, request, json.dumps(query).encode()))
            self._flush()
        return request

    def lent(self, request: int, put: Put | None) -> bool:
        if (sent := self._out.get(request)) is None:
            return False
        sent.held, place = False, ""
        if put is not None:
            sent.segment, place = put[0], f'"args_ref":{json.dumps(put[1])}'
        body = sent.group.body(sent.calls, time.monotonic(), block=False, place=place)
        self._outgoing.append(front.frame(front.CALL, request, body))
        self._flush()
        return True

    def _return(self, sent: _Sent, *, well: bool) -> None:
        if sent.segment is not None:
            self._lender.take_back(sent.segment, well=well)

    # ---------------------------------------------------------------------------------- in, by the thread

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(self._sock, select.POLLIN)
        try:
            while self._gone is None:
                with self.lock:
                    wanted = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
                    left = self._look_at - time.monotonic()
                poll.modify(self._sock, wanted)
                ready = poll.poll(None if left == inf else max(0, int(min(left, 3600) * 1000) + 1))
                self._step({descriptor for descriptor, _ in ready})
        except PitError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - nobody else would answer the calls
            self._end(PitError("internal", f"{type(error).__name__}: {error}"))
        finally:
            self._sock.close()
            with self.lock:
                os.close(self._bell)
                self._bell = -1

    def _step(self, ready: set[int]) -> None:
        """Raises PitError when the connection is lost."""
        if self._bell in ready:
            os.eventfd_read(self._bell)
        data = self._receive() if self._sock.fileno() in ready else b""
        with self.lock:
            now = time.monotonic()
            if data:
                self._buffer += data
                self._frames(now)
            if now >= self._look_at:
                self._look_after(now)
            if self._outgoing:
                self._flush()
            settled = self._taken()
        _call_back(settled)

    def _receive(self) -> bytes:
        try:
            data = self._sock.recv(_RECEIVE)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno == errno.EINTR:
                return b""
            data = b""
        if not data:
            raise PitError("server_restarted", "the connection was lost before the answer came")
        return data

    def _frames(self, now: float) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= front.HEADER:
            end = at + 5 + int.from_bytes(buffer[at + 1 : at + 5], "big")
            if end > len(buffer):
                break
            number = int.from_bytes(buffer[at + 5 : at + 9], "big")
            self._frame(buffer[at], number, bytes(buffer[at + front.HEADER : end]), now)
            at = end
        del buffer[:at]

    def _frame(self, kind: int, request: int, body: bytes, now: float) -> None:
        sent = self._out.get(request)
        if kind == front.ANSWERS_REF:
            _, failed, text = front.parse_answers_ref(body)
            reference = json.loads(text)
            self._outgoing.append(front.frame(front.RELEASE, request, reference["path"].encode()))
            if sent is not None:
                self._answers(sent, segments.read(reference), failed)
        elif sent is None:
            self._lender.answered(request, body if kind == front.RESULT else None)
        elif kind == front.ANSWERS:
            self._answers(sent, *front.parse_answers(body))
        elif kind in {front.RESULT, front.ERROR}:
            del self._out[request]
            sent.group.out -= 1
            self._ended(sent, body, None if kind == front.RESULT else error_of(body))
            self._pump(sent.group, now, answered=True)

    def _answers(self, sent: _Sent, lines: bytes, failed: Iterable[int]) -> None:
        texts = lines.split(b"\n")
        texts.pop()
        calls = sent.calls[sent.answered : sent.answered + len(texts)]
        if len(calls) != len(texts):
            raise PitError("internal", f"{len(texts)} answers to {len(calls)} calls")
        sent.answered += len(texts)
        failures = set(failed)
        for position, (call, text) in enumerate(zip(calls, texts, strict=True)):
            if position in failures:
                self._settle(call, b"", error_of(text))
            else:
                self._settle(call, text)

    def _ended(self, sent: _Sent, body: bytes, error: PitError | None) -> None:
        if not sent.block:
            self._return(sent, well=error is None)
            if sent.segment is not None and error is not None and error.kind == "reference_failed":
                self._inline.add(sent.group.header.get("pool"))
                self._again(sent.group, sent.calls)
                return
            self._settle(sent.calls[0], body if error is None else b"", error)
            return
        group, rest = sent.group, sent.calls[sent.answered :]
        group.trying = group.trying and len(sent.calls) > 1
        if error is None:
            group.pace.learn(sent.answered, float(body))
            error = PitError("internal", "the block of the call is over, and there was no answer to it")
        elif error.detail.get("alone"):
            group.alone = True
            self._again(group, rest)
            return
        else:
            group.pace.slow()
        if error.kind in _DIED and rest:
            self._settle(rest[0], b"", error)
            self._again(group, rest[1:])
            return
        for call in rest:
            self._settle(call, b"", error)

    @staticmethod
    def _again(group: Group, calls: list[Pending]) -> None:
        """These have not begun."""
        for call in reversed(calls):
            call.request = 0
            group.waiting.appendleft(call)

    def _look_after(self, now: float) -> None:
        """Ends what is too late, sends what has waited long enough."""
        self._look_at = inf
        for request, sent in list(self._out.items()):
            if sent.group.timeout is not None and sent.answered < len(sent.calls):
                self._overdue(request, sent, now)
        for group in list(self._groups.values()):
            waiting = group.waiting
            while waiting and (waiting[0].done or waiting[0].deadline <= now):
                call = waiting.popleft()
                if not call.done:
                    self._settle(call, b"", PitError("queue_timeout", f"not begun within {group.timeout:g} s"))
            self._pump(group, now)

    def _overdue(self, request: int, sent: _Sent, now: float) -> None:
        due = sent.calls[sent.answered].deadline + (0.0 if sent.block or sent.held else _LATE_SECONDS)
        if now < due:
            self._look(due)
            return
        if sent.block:
            error = PitError("worker_timeout", f"no answer within {sent.group.timeout:g} s")
        elif sent.held:
            text = f"not begun within {sent.group.timeout:g} s: shared memory has no room for its arguments"
            error = PitError("queue_timeout", text)
        else:
            error = PitError("unavailable", "the server does not answer", hint="read `snakepit logs server`")
        for call in sent.calls[sent.answered :]:
            self._settle(call, b"", error)
        sent.group.pace.slow()
        self._give_up(request)

    # --------------------------------------------------------------------------------------------- ends

    def _settle(self, call: Pending, result: bytes, error: PitError | None = None) -> None:
        if call.done:
            return
        self._count -= 1
        self._bytes -= len(call.args)
        if call.settle(result, error):
            self._settled.append(call)

    def _taken(self) -> list[Pending]:
        settled = self._settled
        if settled:
            self._settled = []
        return settled

    def _end(self, error: PitError) -> None:
        """All is over. The first reason stays."""
        with self.lock:
            if self._gone is None:
                self._gone = error
                for sent in self._out.values():
                    self._return(sent, well=False)
                    for call in sent.calls[sent.answered :]:
                        self._settle(call, b"", error)
                self._lender.end()
                for group in self._groups.values():
                    for call in group.waiting:
                        self._settle(call, b"", error)
                self._out.clear()
                self._groups.clear()
                if self._bell >= 0:
                    self._ring()
            settled = self._taken()
        _call_back(settled)


def _call_back(settled: list[Pending]) -> None:
    for call in settled:
        call.call_back()
