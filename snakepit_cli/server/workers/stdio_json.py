"""Programs that speak our JSON dialect, in any language: requests and replies, one a line. See stdio.py."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from snakepit_cli.server.workers.stdio import ProgramCallbacks, Talker, UnsendableError
from snakepit_cli.server.workers.stdio_asks import Asks
from snakepit_cli.wire import worker_pb2 as pb

Kind = pb.Failure.Kind
_encode = msgspec.json.Encoder().encode
_LONGEST_CAPACITY = 10_000


class _Reply(msgspec.Struct):
    """A line of the program: a hello, what belongs to the request `id`, or about something that it asks."""

    id: int | None = None
    ask: int | None = None
    cancel: int | None = None
    """It gives up what it asks."""
    hello: dict[str, Any] | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    chunk: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: dict[str, Any] | str | None = None
    done: bool = False


_decode = msgspec.json.Decoder(_Reply).decode


@dataclass
class Block:
    """Its items are requests of their own. `answers` are those that cannot leave yet: items before them are missing."""

    call: int
    count: int
    next: int = 0
    answers: dict[int, tuple[bytes, bool]] = field(default_factory=dict)


@dataclass
class Request:
    """One line that the program was given."""

    call: int
    stream: bool = False
    block: Block | None = None
    number: int = 0
    """Of the item in its block."""


class Program(Talker):
    why_silent = "it has not answered: does it write whole lines, and flush them?"

    def __init__(self, listener: ProgramCallbacks) -> None:
        super().__init__(listener)
        self._ids = itertools.count(1)
        self._requests: dict[int, Request] = {}
        self._asks = Asks(listener.said, self._tell)
        self._greeted = False

    @property
    def idle(self) -> bool:
        """Also while it waits for the answer to something that it asks."""
        return not self._requests or bool(self._asks)

    # -- to the program --

    def call(
        self, call_id: int, command: str, args: bytes, *, session: str = "", stream: bool = False,
        block: pb.Block | None = None, metadata: bytes = b"", tool: bool = False, **_: Any,
    ) -> None:  # fmt: skip
        head: dict[str, Any] = {"command": command}
        facts = {"session": session, "metadata": metadata and msgspec.Raw(metadata), "tool": tool}
        head |= {name: fact for name, fact in facts.items() if fact}
        try:
            if block is None:
                self._ask(
                    Request(call_id, stream), {**head, "args": _raw(args), **({"stream": True} if stream else {})}
                )
            else:
                self._ask_block(Block(call_id, block.count), head, args, block)
        except UnsendableError as refusal:
            self.fail(call_id, refusal.failure)

    def _ask_block(self, mine: Block, head: dict[str, Any], args: bytes, block: pb.Block) -> None:
        fixed = msgspec.json.decode(args or b"{}")
        for number, line in enumerate(block.lines.split(b"\n")[:-1]):
            try:
                item = line.decode("utf-8", "replace") if block.text else msgspec.json.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self._answered(mine, number, _encode({"kind": "invalid_arguments", "message": str(error)}), failed=True)
                continue
            merged = {**fixed, **item} if isinstance(item, dict) else {**fixed, block.item_argument or "item": item}
            self._ask(Request(mine.call, block=mine, number=number), {**head, "args": merged})

    def _ask(self, request: Request, body: dict[str, Any]) -> None:
        number = next(self._ids)
        self._requests[number] = request
        self.sink.write(_encode({"id": number, **body}) + b"\n")

    def cancel(self, call_id: int) -> None:
        self._forget(call_id)
        for number, request in self._requests.items():
            if request.call == call_id:
                self.sink.write(b'{"cancel":%d}\n' % number)

    def recall(self, call_ids: Iterable[int]) -> None:
        """It may have begun with any of them."""

    def reply(self, result: pb.Result) -> None:
        self._asks.reply(result)

    def reply_chunks(self, request: int, lines: bytes) -> None:
        self._asks.chunks(request, lines)

    def end_sessions(self, sessions: Iterable[str]) -> None:
        for session in sessions:
            self._tell({"ended_session": session})

    def flows(self, *, full: bool) -> None:
        self._asks.flows(full=full)

    def _tell(self, body: dict[str, Any]) -> None:
        """Writes a line that is no request. Ends the program when it leaves too much of them unread."""
        unread = self.sink.get_write_buffer_size()
        if unread <= self.listener.longest:
            self.sink.write(_encode(body) + b"\n")
        elif not self._over:
            self.broken(f"it does not read the answers to what it asks: {unread:,} bytes wait")

    # -- from the program --

    def heard(self, lines: list[bytes]) -> None:
        for line in lines:
            if self._over:
                return
            if not line.strip():
                continue
            try:
                reply = _decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self.broken(f"it wrote a line that is no reply: {line[:80]!r} ({error})")
                return
            if reply.hello is not None or not self._greeted:
                self._hello(reply.hello)
            elif reply.ask is not None:
                if wrong := self._asks.take(reply.ask, line, self._call_of):
                    self.broken(wrong)
            elif reply.cancel is not None:
                self._asks.give_up(reply.cancel)
            else:
                self._take(reply)

    def _call_of(self, request: int) -> int | None:
        known = self._requests.get(request)
        return None if known is None else known.call

    def _hello(self, hello: dict[str, Any] | None) -> None:
        commands = (hello or {}).get("commands")
        if self._greeted or not isinstance(commands, list) or not all(_named(one) for one in commands):
            self.broken('its first line, and no other, must be {"hello": {"commands": [NAME…]}}')
            return
        capacity = (hello or {}).get("capacity", 1)
        self._greeted = True
        self.listener.ready(
            pb.Hello(
                language=str((hello or {}).get("language", "exec")),
                capacity=capacity if isinstance(capacity, int) and 1 <= capacity <= _LONGEST_CAPACITY else 1,
                commands=[_spec(one) for one in commands],
            )
        )

    def _take(self, reply: _Reply) -> None:
        request = self._requests.get(reply.id or 0)
        if request is None:
            self.broken(f"it answered a request {reply.id} that it does not have")
        elif reply.chunk is not msgspec.UNSET:
            self._chunk(request, bytes(reply.chunk))
        else:
            del self._requests[reply.id or 0]
            self._asks.over(reply.id or 0)
            if request.block is not None:
                failed = reply.error is not None
                text = _encode(_facts(reply.error)) if failed else _text(reply.result)
                self._answered(request.block, request.number, text, failed=failed)
            elif reply.error is not None:
                self.fail(request.call, _failure(reply.error))
            else:
                self._finish(request, _text(reply.result))

    def _chunk(self, request: Request, text: bytes) -> None:
        if request.block is None and request.stream:
            self.chunks(pb.Chunks(id=request.call, lines=text + b"\n", count=1))

    def _finish(self, request: Request, text: bytes) -> None:
        """When the caller asked for a stream, a plain answer is its only chunk."""
        if request.stream and text != b"null":
            self._chunk(request, text)
            text = b"null"
        self.settle(request.call, text)

    def _answered(self, block: Block, number: int, text: bytes, *, failed: bool) -> None:
        block.answers[number] = text, failed
        texts: list[bytes] = []
        positions: list[int] = []
        while (found := block.answers.pop(block.next, None)) is not None:
            if found[1]:
                positions.append(len(texts))
            texts.append(found[0])
            block.next += 1
        if not texts:
            return
        self.chunks(pb.Chunks(id=block.call, lines=b"\n".join(texts) + b"\n", count=len(texts), failed=positions))
        if block.next == block.count:
            self.settle(block.call, b"null")


def _raw(args: bytes) -> msgspec.Raw:
    try:
        msgspec.json.decode(args or b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnsendableError(f"the arguments are no JSON object: {error}") from None
    # A line break would end the line.
    return msgspec.Raw(msgspec.json.format(args, indent=-1) if b"\n" in args else args or b"{}")


def _text(result: msgspec.Raw | msgspec.UnsetType) -> bytes:
    return b"null" if result is msgspec.UNSET else bytes(result)


def _named(command: object) -> bool:
    return isinstance(command, str) or (isinstance(command, dict) and isinstance(command.get("name"), str))


def _spec(command: Any) -> pb.CommandSpec:
    if isinstance(command, str):
        return pb.CommandSpec(name=command, open=True)
    return pb.CommandSpec(
        name=command["name"],
        summary=str(command.get("summary", "")),
        streaming=bool(command.get("streaming")),
        open=True,
    )


def _facts(error: dict[str, Any] | str | None) -> dict[str, str]:
    said = error if isinstance(error, dict) else {"message": str(error)}
    facts = {"kind": "command_failed", "message": str(said.get("message", ""))}
    return facts | {name: str(said[name]) for name in ("type", "traceback") if said.get(name)}


def _failure(error: dict[str, Any] | str | None) -> pb.Failure:
    facts = _facts(error)
    kind = Kind.CANCELLED if isinstance(error, dict) and error.get("kind") == "cancelled" else Kind.COMMAND_FAILED
    return pb.Failure(
        kind=kind, message=facts["message"], type=facts.get("type", ""), traceback=facts.get("traceback", "")
    )
