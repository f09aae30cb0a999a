"""Everything the worker has to say, merged into as few messages as possible.

What gathers while one message is on its way leaves together in the next. Adding takes no lock: appending to a deque or
a list is atomic, and so is taking a slice off the front.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, Protocol

from snakepit_bridge import worker_pb2 as pb

__all__ = ["Outbox"]

MESSAGE_BYTES = 1 << 20
LINES_AT_ONCE = 1 << 16
LONG = 1 << 18
"""A longer result is sent as it is, in a message of its own."""


class Stream(Protocol):
    """What the outbox must know of a call."""

    @property
    def id(self) -> int: ...
    @property
    def lines(self) -> list[bytes]: ...


class Long:
    """A long result or chunk in the encoding of protobuf, in parts that are sent one after the other."""

    def __init__(self, answer: pb.Result | pb.Chunks, value: bytes) -> None:
        """`answer` lacks the value."""
        self._answer = answer
        self._value = value

    @property
    def ends(self) -> bool:
        """Whether it is the last of its call."""
        return isinstance(self._answer, pb.Result)

    def parts(self) -> tuple[bytes, ...]:
        value, chunk = self._value, isinstance(self._answer, pb.Chunks)
        inner = pb.Chunks.LINES_FIELD_NUMBER if chunk else pb.Result.VALUE_FIELD_NUMBER
        outer = pb.FromWorker.CHUNKS_FIELD_NUMBER if chunk else pb.FromWorker.RESULTS_FIELD_NUMBER
        head = self._answer.SerializeToString() + _field(inner, len(value))
        return _field(outer, len(head) + len(value)), head, value


class Outbox:
    """What goes to the server on one stream. When the stream has ended, whatever is added is dropped."""

    def __init__(self, first: pb.FromWorker, later: Callable[[], None]) -> None:
        self._first: pb.FromWorker | None = first
        self._results: deque[tuple[pb.Result | pb.Chunks | Long, Stream]] = deque()
        self._streams: dict[int, Stream] = {}
        self._pongs: deque[int] = deque()
        self._requests: deque[pb.Request] = deque()
        self._withdrawals: deque[int] = deque()
        self._credits: deque[tuple[int, int]] = deque()
        self._invalidated: deque[int] = deque()
        self._segment_bytes: deque[int] = deque()
        self._released: deque[str] = deque()
        self.closing = False
        """Nothing will be added any more: end the worker's half of the stream when all is said."""
        self.ended = False
        """The stream has ended: nothing leaves any more, and no reply comes. Set by the transport."""
        self.idle = False
        """True while nothing is on its way: then code that adds something must call `wake`. Set by the transport."""
        self.late: Callable[[], None] | None = None
        """Puts answers here that were kept back too long; set as long as a block runs that keeps some back."""
        self.wake: Callable[[], None] = _nobody
        """Makes the transport look. Set by the transport."""
        self.later = later
        """Has the outbox flushed a moment later, because more messages are likely to follow at once."""

    # -------------------------------------------------------------------------------------- any thread

    def put_result(self, result: pb.Result, call: Stream, *, later: bool = False) -> None:
        self._results.append((result, call))
        if later:
            self.later()
        elif self.idle:
            self.wake()

    def put_long(self, result: pb.Result, value: bytes, call: Stream) -> None:
        """A result whose value is so long that it is not copied on its way: `result` lacks it."""
        self._results.append((Long(result, value), call))
        if self.idle:
            self.wake()

    def put_chunk(self, chunk: pb.Chunks, lines: bytes, call: Stream) -> None:
        """Lines of a stream that are sent as they are, after the call's own `lines`. Those that are added while it
        waits (see `holds_results`) overtake it. The caller of this wakes."""
        if len(lines) > LONG:
            self._results.append((Long(chunk, lines), call))
            return
        chunk.lines = lines
        self._results.append((chunk, call))

    def put_chunk_ref(self, chunk: pb.Chunks, call: Stream) -> None:
        """As `put_chunk`, for lines in a segment."""
        self._results.append((chunk, call))

    @property
    def holds_results(self) -> bool:
        """Whether results or chunks wait that lines which are added now would overtake."""
        return bool(self._results)

    def put_part(self, part: pb.Chunks, call: Stream, *, last: bool) -> None:
        """Answers of a block. The last ones wait for the block's result, which follows at once."""
        self._results.append((part, call))
        if not last and self.idle:
            self.wake()

    def put_pong(self, nonce: int) -> None:
        self._pongs.append(nonce)
        if self.idle:
            self.wake()

    def put_request(self, request: pb.Request) -> None:
        self._requests.append(request)
        if self.idle:
            self.wake()

    def put_withdrawal(self, request_id: int, *, later: bool = False) -> None:
        self._withdrawals.append(request_id)
        if later:
            self.later()
        elif self.idle:
            self.wake()

    def put_credit(self, request_id: int, room: int) -> None:
        """More room for the chunks of a request."""
        self._credits.append((request_id, room))
        if self.idle:
            self.wake()

    def put_released(self, path: str) -> None:
        """A reply in a segment has been read."""
        self._released.append(path)
        if self.idle:
            self.wake()

    def put_segment_bytes(self, count: int) -> None:
        """Asks for room in shared memory."""
        self._segment_bytes.append(count)
        if self.idle:
            self.wake()

    def put_invalidated(self, number: int) -> None:
        self._invalidated.append(number)
        if self.idle:
            self.wake()

    def open_stream(self, call: Stream) -> None:
        """From now on the call's `lines` are sent. Ends with the call's result."""
        self._streams[call.id] = call

    def close(self) -> None:
        """Says what is left to say, then ends the worker's half of the stream."""
        self.closing = True
        self.wake()

    def abandon(self, instead: Callable[[], None]) -> None:
        """From now on `instead` is called where something would be sent."""
        self.wake = self.later = instead
        self.idle = True

    # -------------------------------------------------------------------------------------- the transport

    def pending(self) -> bool:
        """There is something to say. The transport asks again after it has set `idle`."""
        if self._results or self._pongs or self._requests or self._withdrawals or self._first is not None:
            return True
        if self._credits or self._invalidated or self._segment_bytes or self._released:
            return True
        return any(call.lines for call in list(self._streams.values()))

    def take_long(self) -> tuple[bytes, ...] | None:
        """The next message in parts, when it is a long answer and `take` has nothing to say."""
        if not self._results:
            return None
        answer, call = self._results[0]
        if not isinstance(answer, Long) or call.lines:
            return None
        self._results.popleft()
        if answer.ends:
            self._streams.pop(call.id, None)
        return answer.parts()

    def take(self) -> bytes | None:
        """The next message; None when there is nothing to say. One thread at a time."""
        message = self._take()
        return None if message is None else message.SerializeToString()

    def _take(self) -> pb.FromWorker | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        message: pb.FromWorker | None = None
        room = MESSAGE_BYTES
        # How many results there are is read before the lines: a result's own lines are then already in place.
        results = len(self._results)
        if self._streams:
            message, room = self._take_lines()
        if results:
            message = self._take_results(message or pb.FromWorker(), results, room)
        if self._pongs:
            message = message or pb.FromWorker()
            message.pong.nonce = self._pongs.popleft()
        return self._take_requests(message)

    def _take_requests(self, message: pb.FromWorker | None) -> pb.FromWorker | None:
        """One at a time, since each may be as large as a message; a withdrawal never overtakes its request."""
        if self._requests and (message is None or message.ByteSize() < MESSAGE_BYTES):
            message = message or pb.FromWorker()
            message.requests.append(self._requests.popleft())
        if self._withdrawals and not self._requests:
            message = message or pb.FromWorker()
            while self._withdrawals:
                message.withdrawals.append(self._withdrawals.popleft())
        if self._invalidated or self._credits or self._segment_bytes or self._released:
            message = message or pb.FromWorker()
            while self._segment_bytes:
                message.segment_bytes = self._segment_bytes.popleft()
            while self._released:
                message.released.append(self._released.popleft())
            while self._invalidated:
                message.invalidated.append(self._invalidated.popleft())
            while self._credits:
                request_id, room = self._credits.popleft()
                message.credits.add(id=request_id, bytes=room)
        return message

    def _take_lines(self) -> tuple[pb.FromWorker | None, int]:
        message: pb.FromWorker | None = None
        room = MESSAGE_BYTES
        for call in list(self._streams.values()):
            if not call.lines or room <= 0:
                continue
            lines = _cut(call.lines[:LINES_AT_ONCE], room)
            if not lines and message is not None:
                continue
            lines = lines or call.lines[:1]
            del call.lines[: len(lines)]
            message = message or pb.FromWorker()
            text = b"\n".join(lines) + b"\n"
            message.chunks.add(id=call.id, lines=text, count=len(lines))
            room -= len(text)
        return message, room

    def _take_results(self, message: pb.FromWorker, count: int, room: int) -> pb.FromWorker | None:
        for _ in range(count):
            answer, call = self._results[0]
            if isinstance(answer, Long):
                break  # see take_long
            size = len(answer.lines if isinstance(answer, pb.Chunks) else answer.value) + 64
            if call.lines or (size > room and message.ByteSize()):
                break  # its chunks come first; or there is no more room
            self._results.popleft()
            if isinstance(answer, pb.Chunks):
                message.chunks.append(answer)
            else:
                self._streams.pop(call.id, None)
                message.results.append(answer)
            room -= size
        return message if message.ByteSize() else None


def _field(number: int, size: int) -> bytes:
    """What comes before the bytes of a field: its tag, for numbers below 16, and its size."""
    out = bytearray((number << 3 | 2,))
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out)


def _nobody() -> None:
    """No transport yet: it will look when it starts."""


def _cut(lines: list[bytes], room: int) -> list[bytes]:
    """As many lines from the front as fit."""
    if sum(map(len, lines)) + len(lines) <= room:
        return lines
    for count, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            return lines[:count]
    return lines
