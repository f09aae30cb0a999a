"""Programs that read and write lines: the server speaks to them itself, over their standard input and output.

docs/reference/stdio-protocol.md is the specification. A Talker takes what a WorkerLink takes, and says what a worker
of the contract would say, so pools see no difference. This one is for filters: one line in, one line out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from snakepit_cli.server.calls.credit import Credit
from snakepit_cli.wire import worker_pb2 as pb

Kind = pb.Failure.Kind
_QUIET_SECONDS = 0.05
"""How long a worker's first answer is held back, in seconds, to see whether unexpected lines follow."""
_SHORTEST, _LONGEST = 0.0005, 0.008
"""Seconds: while many lines are expected, reading pauses so that they gather: filters write them singly."""
_GATHERED = 1 << 15
"""Bytes that may gather, half of what a pipe holds: the filter must not wait for us."""
_ENOUGH = 1 << 20
"""Bytes of answers to a block's items that are passed on before the others have come."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_check = msgspec.json.Decoder(msgspec.Raw).decode


class UnsendableError(Exception):
    """A call that cannot be put to the program."""

    def __init__(self, message: str, kind: Kind = Kind.INVALID_ARGUMENTS) -> None:
        super().__init__(message)
        self.failure = pb.Failure(kind=kind, message=message)


class ProgramCallbacks:
    """Callbacks for what a program says. Set by the pool."""

    def __init__(
        self, ready: Callable[[pb.Hello], None], said: Callable[[pb.FromWorker], None],
        broken: Callable[[str], None], ended: Callable[[], None], longest: int,
    ) -> None:  # fmt: skip
        self.ready = ready
        self.said = said
        self.broken = broken
        """It breaks the protocol, for this reason, and must be ended."""
        self.ended = ended
        self.longest = longest
        """Bytes that a line may have."""


class Talker(asyncio.Protocol):
    """What both dialects share: lines in, lines out."""

    protocol = 1
    why_silent = ""
    """What may be wrong with a program that does not answer."""
    runs_batches = False

    def __init__(self, listener: ProgramCallbacks) -> None:
        self.listener = listener
        self.transport: asyncio.ReadTransport
        self.sink: asyncio.WriteTransport
        self._parts: list[bytes] = []
        self._size = 0
        """Bytes of a line whose end has not come."""
        self._over = False
        """Whatever it says is ignored."""
        self._credits: dict[int, Credit] = {}
        """Bytes of chunks for which the caller has made no room yet, by call."""
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        *lines, rest = data.split(b"\n")
        if self._size + len(lines[0] if lines else rest) > self.listener.longest:
            self._parts.clear()
            self.broken(f"it wrote a line of more than {self.listener.longest:,} bytes")
            return
        if lines:
            if self._parts:
                lines[0] = b"".join((*self._parts, lines[0]))
            self._parts, self._size = [], 0
            self.heard(lines)
        if rest:
            self._parts.append(rest)
            self._size += len(rest)

    def broken(self, why: str) -> None:
        """It breaks the protocol: nothing more is read."""
        self._over = True
        self._parts, self._size = [], 0
        self._balance()
        self.listener.broken(why)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 — the reason changes nothing
        self.listener.ended()

    def heard(self, lines: list[bytes]) -> None:
        raise NotImplementedError

    @property
    def idle(self) -> bool:
        raise NotImplementedError

    # -- what a WorkerLink does --

    def ping(self, nonce: int) -> None:
        """A program that works cannot be probed. One that is idle counts as healthy."""
        if self.idle:
            self.listener.said(pb.FromWorker(pong=pb.Pong(nonce=nonce)))

    def chunks(self, chunks: pb.Chunks) -> None:
        """To the caller. While it has enough of them nothing is read from the program."""
        self._credits.setdefault(chunks.id, Credit()).use(len(chunks.lines))
        self.listener.said(pb.FromWorker(chunks=[chunks]))
        self._balance()

    def credit(self, call_id: int, count: int) -> None:
        if call_id in self._credits:
            self._credits[call_id].give(count)
            self._balance()

    def _forget(self, call_id: int) -> None:
        if self._credits.pop(call_id, None) is not None:
            self._balance()

    def _balance(self) -> None:
        wanted = self._over or any(credit.exhausted for credit in self._credits.values())
        if wanted != self._paused and not self.transport.is_closing():
            self._paused = wanted
            if wanted:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    unread = 0
    """It is ended when it does not read."""

    def reply(self, result: pb.Result) -> None:
        """It makes no calls."""

    def segment_bytes(self, count: int) -> None:
        """It makes no segments."""

    def reply_chunks(self, request: int, lines: bytes) -> None:
        """Nor does it ask for streams."""

    def invalidate(self, number: int, session: str, names: Iterable[str]) -> None:
        """It keeps no values."""

    def end_sessions(self, sessions: Iterable[str]) -> None:
        """It is not told."""

    def flows(self, *, full: bool) -> None:
        """Whether the pipe to it is full."""

    def close(self) -> None:
        self.sink.close()

    def drain(self) -> None:
        """The end of its input."""
        self.sink.close()

    def settle(self, call_id: int, value: bytes) -> None:
        self._forget(call_id)
        self.listener.said(pb.FromWorker(results=[pb.Result(id=call_id, value=value)]))

    def fail(self, call_id: int, failure: pb.Failure) -> None:
        self._forget(call_id)
        self.listener.said(pb.FromWorker(results=[pb.Result(id=call_id, failure=failure)]))

    def give_back(self, call_id: int) -> None:
        self.fail(call_id, pb.Failure(kind=Kind.RECALLED, message="recalled before it began"))


@dataclass
class Asked:
    """A call that a filter has, or will have: its lines, and how many of the answers have come."""

    call: int
    text: bool
    """Lines are text, not JSON."""
    lines: bytes
    count: int
    block: bool
    answers: list[bytes] = field(default_factory=list)
    """Answers that have not been passed on."""
    size: int = 0
    """Bytes of these."""
    passed: int = 0
    """How many have been passed on."""
    begun: float = 0.0
    """When they were sent, as the event loop counts."""
    heard: int = 0
    """Bytes of answers that have come."""

    @property
    def left(self) -> int:
        """How many are to come."""
        return self.count - self.passed - len(self.answers)

    def pause(self, now: float) -> float:
        """Seconds until it is worth reading: then half of the missing answers have come, or as much as may gather."""
        taken = now - self.begun
        return min(_LONGEST, taken / (self.count - self.left) * self.left / 2, taken * _GATHERED / (self.heard + 1))


class Filter(Talker):
    """One line in, one line out. One call at a time is sent, so a surplus line is not taken for the next answer."""

    why_silent = (
        "it has not answered every line: a filter must write one line for each, and must not keep them in a buffer "
        "(`exec:stdbuf -oL …`, `grep --line-buffered`, `sed -u`)"
    )

    def __init__(self, listener: ProgramCallbacks) -> None:
        super().__init__(listener)
        self._asked: deque[Asked] = deque()
        self._trusted = False
        """It has once answered with no more lines than it should."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        commands = [
            pb.CommandSpec(name="json", summary="JSON in, JSON out: `item` or all arguments.", open=True),
            pb.CommandSpec(
                name="line", summary="A line of text in, a line of text out.",
                parameters=[pb.ParameterSpec(name="item", type="str", required=True)],
            ),
        ]  # fmt: skip
        hello = pb.Hello(language="exec", capacity=1, commands=commands)
        # A program that cannot run ends at once: then it has never been ready.
        asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._ready, hello)

    def _ready(self, hello: pb.Hello) -> None:
        if not self.transport.is_closing():
            self.listener.ready(hello)

    @property
    def idle(self) -> bool:
        return not self._asked

    def call(self, call_id: int, command: str, args: bytes, *, block: pb.Block | None = None, **_: Any) -> None:
        try:
            asked = _asked(call_id, command, args, block)
        except UnsendableError as refusal:
            self.fail(call_id, refusal.failure)
            return
        self._asked.append(asked)
        if len(self._asked) == 1:
            self._send()

    def cancel(self, call_id: int) -> None:
        """One that waits. One that is on its way cannot be taken back: a slow filter is killed."""
        self._forget(call_id)
        self._take_back(call_id, lambda: self.fail(call_id, pb.Failure(kind=Kind.CANCELLED, message="cancelled")))

    def recall(self, call_ids: Iterable[int]) -> None:
        for call_id in call_ids:
            self._take_back(call_id, lambda call_id=call_id: self.give_back(call_id))  # type: ignore[misc]

    def _take_back(self, call_id: int, tell: Callable[[], None]) -> None:
        for asked in list(self._asked)[1:]:
            if asked.call == call_id:
                self._asked.remove(asked)
                tell()

    def _send(self) -> None:
        asked = self._asked[0]
        asked.begun = asyncio.get_running_loop().time()
        self.sink.write(asked.lines)

    def heard(self, lines: list[bytes]) -> None:
        if not self._asked or len(lines) > self._asked[0].left:
            self.broken("it answered with more lines than it was asked")
            return
        asked = self._asked[0]
        asked.answers += lines
        size = sum(map(len, lines))
        asked.size += size
        asked.heard += size
        if asked.left:
            if asked.size > _ENOUGH:
                self._pass_on(asked)
            self._gather(asked)
            return
        if self._trusted:
            self._done()
        else:
            self._trusted = True
            asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._done)

    def _gather(self, asked: Asked) -> None:
        loop = asyncio.get_running_loop()
        pause = asked.pause(loop.time())
        if pause >= _SHORTEST and not self._paused:
            self._paused = True
            self.transport.pause_reading()
            loop.call_later(pause, self._balance)

    def _done(self) -> None:
        if self._over:
            return
        asked = self._asked.popleft()
        if asked.block:
            self._pass_on(asked)
            self.settle(asked.call, b"null")
        else:
            try:
                self.settle(asked.call, _value(asked.answers[0], text=asked.text))
            except UnsendableError as refusal:
                self.fail(asked.call, refusal.failure)
        if self._asked:
            self._send()

    def _pass_on(self, asked: Asked) -> None:
        """The answers to items that have come."""
        texts, failed = asked.answers, []
        if not _all_json(asked):
            texts = []
            for number, line in enumerate(asked.answers):
                try:
                    texts.append(_value(line, text=asked.text))
                except UnsendableError as refusal:
                    failed.append(number)
                    texts.append(_encode({"kind": "invalid_result", "message": refusal.failure.message}))
        count = len(texts)
        asked.answers, asked.size, asked.passed = [], 0, asked.passed + count
        self.chunks(pb.Chunks(id=asked.call, lines=b"\n".join(texts) + b"\n", count=count, failed=failed))


def _asked(call_id: int, command: str, args: bytes, block: pb.Block | None) -> Asked:
    if command not in {"json", "line"}:
        raise UnsendableError(f"no command `{command}`; a filter has `json` and `line`", Kind.COMMAND_NOT_FOUND)
    text = command == "line"
    if block is None:
        return Asked(call_id, text, _line(args, text=text) + b"\n", 1, False)
    if _object(args):
        raise UnsendableError("a filter takes no fixed arguments: each line goes to it as it is")
    if block.text == text:
        return Asked(call_id, text, block.lines, block.count, True)
    if not text:
        raise UnsendableError("`json` takes lines of JSON; for lines of text there is `line`")
    lines = [_plain(line) for line in block.lines.split(b"\n")[:-1]]
    return Asked(call_id, text, b"\n".join(lines) + b"\n", block.count, True)


def _line(args: bytes, *, text: bool) -> bytes:
    found = _object(args)
    if text:
        if found.keys() != {"item"}:
            raise UnsendableError("`line` takes one argument, `item`")
        return _plain(_encode(found["item"]))
    return _encode(found["item"]) if found.keys() == {"item"} else _encode(found)


def _object(args: bytes) -> dict[str, Any]:
    try:
        found = _decode(args or b"{}")
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnsendableError(f"the arguments are no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UnsendableError("the arguments must be a JSON object")
    return found


def _plain(item: bytes) -> bytes:
    """A JSON string as the text that it is; other JSON as it is written."""
    try:
        value = _decode(item)
    except (msgspec.MsgspecError, RecursionError):
        return item
    if not isinstance(value, str):
        return item
    if "\n" in value:
        raise UnsendableError("a line of text has no line breaks in it")
    return value.encode()


def _all_json(asked: Asked) -> bool:
    """Whether each answer is a JSON text. False when it has to be seen one by one."""
    if asked.text:
        return False
    try:
        deque(map(_check, asked.answers), maxlen=0)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _value(line: bytes, *, text: bool) -> bytes:
    """The JSON of an answer."""
    try:
        if text:
            return _encode(line.decode())
        _check(line)
    except UnicodeDecodeError:
        raise UnsendableError("the answer is not UTF-8", Kind.INVALID_RESULT) from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnsendableError(f"the answer is not JSON: {error}", Kind.INVALID_RESULT) from None
    return line
