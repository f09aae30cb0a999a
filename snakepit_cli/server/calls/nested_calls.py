"""What handlers ask for while they serve a call: calls of their own, and queries about state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.call import Call, Caller, Header, Runner
from snakepit_cli.server.segments import Lent
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.reference import from_message

_MOST = 10_000
"""Requests of one worker that have no answer yet."""
_ASKED = 4
"""Times the longest message: bytes of these requests."""
_UNREAD = 8
"""Times the longest message: bytes of answers that a worker may leave unread."""


class Answers(Protocol):
    """The way back to the worker."""

    @property
    def unread(self) -> int:
        """Bytes that wait to be sent, because the worker does not read them."""

    def reply(self, result: pb.Result) -> None: ...

    def reply_chunks(self, request: int, lines: bytes) -> None: ...

    def invalidate(self, number: int, session: str, names: Iterable[str]) -> None: ...


class Host(Protocol):
    """What it is asked of."""

    max_message_bytes: int

    def submit(self, caller: Caller, request: int, header: Header, args: bytes) -> tuple[Runner, Call]:
        """Accepts a call, or raises PitError."""

    def answer_worker(self, asked: Asked) -> Callable[[], None]:
        """Answers a query; gives it up when the returned function is called. Raises PitError."""

    def settled(self, call: Call) -> None:
        """A call that holds its session is over."""

    def obeyed(self, link: Answers, numbers: Sequence[int]) -> None:
        """The worker does not use these values any more."""

    def gone(self, link: Answers, worker: str) -> None:
        """The worker has ended."""


class Asked:
    """One request of a worker, and where its answer goes."""

    def __init__(self, request: pb.Request, parent: Call | None, worker: NestedCalls, lent: Lent | None) -> None:
        """`lent` holds its arguments when they are in a segment."""
        self.query = request.query
        self.session = parent.header.session or "" if parent is not None else ""
        """The session of the call within which it is made."""
        self.takes_parts = request.takes_parts
        """Its answer may be a message with parts."""
        self.source = worker.name
        self.language = worker.language
        self.link = worker.link
        self.parent = parent
        self.cancel: Callable[[], None] = _nothing
        self.resume: Callable[[], None] = _nothing
        self._id = request.id
        self._worker = worker
        self._room = request.credit_bytes if request.stream else 0
        self.size = len(request.query) + len(request.args)
        """Bytes."""
        self._lent = lent
        self._wake = asyncio.Event()

    # -- the caller of a call --

    @property
    def congested(self) -> bool:
        return self._room <= 0

    def result(self, request: int, value: bytes) -> None:
        unread, most = self.link.unread, self._worker.most_unread
        if unread and unread + len(value) > most:
            text = f"{unread:,} bytes of answers to this worker wait; {most:,} are allowed"
            self.error(request, PitError("pool_saturated", text, hint="await answers before you ask for more"))
            return
        self._over(request)
        self.link.reply(pb.Result(id=request, value=value))

    def result_ref(self, request: int, lent: Lent) -> None:
        self._over(request)
        self._worker.refer(request, lent)

    def _over(self, request: int) -> None:
        self._worker.over(request)
        if self._lent is not None:
            self._lent.release()

    def error(self, request: int, error: PitError) -> None:
        self._worker.over(request)
        if self._lent is not None:
            self._lent.drop()  # what was called may go on, and read its arguments
        self.link.reply(pb.Result(id=request, failure=_failure(error)))

    def chunks(self, request: int, lines: bytes) -> None:
        self._room -= len(lines)
        self.link.reply_chunks(request, lines)

    def chunks_ref(self, request: int, lent: Lent) -> None:
        """None come, as `answers_ref`: a request that streams takes no references."""

    def answers_ref(self, request: int, lent: Lent, count: int, failed: Sequence[int]) -> None: ...

    def note(self, request: int, text: str) -> None:
        """No user waits for it."""

    def answers(self, request: int, lines: bytes, failed: Sequence[int]) -> None:
        """None come: there are no blocks."""

    # -- a query --

    def answered(self, value: bytes, error: PitError | None) -> None:
        if error is not None:
            self.error(self._id, error)
        else:
            self.result(self._id, value)

    async def say(self, lines: bytes) -> None:
        """Sends chunks; waits while the worker has enough of them."""
        self.chunks(self._id, lines)
        while self.congested:
            self._wake.clear()
            await self._wake.wait()

    # -- its reader --

    def grant(self, room: int) -> None:
        self._room += room
        if not self.congested:
            self._wake.set()
            self.resume()


class NestedCalls:
    """The requests of one worker that have no answer yet."""

    def __init__(self, link: Answers, host: Host, name: str, language: str) -> None:
        self.link = link
        self.name = name
        self.language = language
        self._host = host
        self._running: dict[int, Asked] = {}
        self._held = 0
        """Bytes of them."""
        self._lent: dict[str, Lent] = {}
        """Replies that the worker has not read, by path."""
        self.most_unread = _UNREAD * host.max_message_bytes
        self.has_asked = False
        """Whether it has ever made a request. Until then it grants no room and confirms no invalidation."""

    def ask(self, request: pb.Request, parent: Call | None, own_pool: str, lent: Lent | None) -> None:
        """`parent` is the call within which it is made, None when that is over; `lent` holds its arguments, or none."""
        self.has_asked = True
        asked = Asked(request, parent, self, lent)
        refusal = self._too_many(asked.size)
        if request.id in self._running:
            refusal = PitError("usage", f"request {request.id} is still running")
        if refusal is not None:
            self.link.reply(pb.Result(id=request.id, failure=_failure(refusal)))
            if lent is not None:
                lent.release()
            return
        self._running[request.id] = asked
        self._held += asked.size
        try:
            if request.parent and parent is None:
                raise PitError("cancelled", "the call within which it was made is over")
            if request.query:
                asked.cancel = self._host.answer_worker(asked)
            else:
                self._call(request, asked, own_pool)
        except PitError as error:
            asked.error(request.id, error)
            return
        if parent is not None and request.id in self._running:
            parent.children[request.id] = asked.cancel

    def _too_many(self, size: int) -> PitError | None:
        most = _ASKED * self._host.max_message_bytes
        if len(self._running) >= _MOST:
            text = f"{_MOST:,} requests of this worker have no answer yet; no more are allowed"
        elif self._held and self._held + size > most:
            text = f"requests of this worker without an answer have {self._held:,} bytes; {most:,} are allowed"
        else:
            return None
        return PitError("pool_saturated", text, hint="await answers before you ask for more")

    def _call(self, request: pb.Request, asked: Asked, own_pool: str) -> None:
        pool, call = self._host.submit(asked, request.id, _header(request, asked.parent, own_pool), request.args)
        asked.cancel = lambda: pool.cancel(call)
        asked.resume = lambda: pool.resume(call)

    def refer(self, request: int, lent: Lent) -> None:
        """Replies with a segment, which the worker releases."""
        self._lent[lent.ref.path] = lent
        self.link.reply(pb.Result(id=request, value_ref=lent.ref))

    def heard(self, message: pb.FromWorker) -> None:
        """The worker says which replies it has read, and which values it no longer uses."""
        for path in message.released:
            if (lent := self._lent.pop(path, None)) is not None:
                lent.release()
        for credit in message.credits:
            self.grant(credit.id, credit.bytes)
        if message.invalidated:
            self._host.obeyed(self.link, message.invalidated)

    def withdraw(self, request: int) -> None:
        if known := self._running.get(request):
            known.cancel()

    def grant(self, request: int, room: int) -> None:
        if known := self._running.get(request):
            known.grant(room)

    def give_up(self) -> None:
        """The worker is gone."""
        for asked in list(self._running.values()):
            asked.cancel()
        while self._lent:
            self._lent.popitem()[1].release()
        self._host.gone(self.link, self.name)

    def over(self, request: int) -> None:
        known = self._running.pop(request, None)
        if known is None:
            return
        self._held -= known.size
        if known.parent is not None:
            known.parent.children.pop(request, None)


def _failure(error: PitError) -> pb.Failure:
    detail = error.detail
    type_ = str(detail.get("type", ""))
    return pb.Failure(
        name=error.kind,
        message=error.message.removeprefix(f"{type_}: "),  # `type` says it
        type=type_,
        traceback=str(detail.get("traceback", "")),
        wants_json=bool(detail.get("wants_json")),
    )


def _header(request: pb.Request, parent: Call | None, own_pool: str) -> Header:
    """Its deadline is at most that of the call within which it is made."""
    session = request.session
    if request.tool:
        session = "" if parent is None else parent.header.session or ""
        if not session:
            raise PitError("session_not_found", "the call is of no session: it has no tools")
    left = [request.timeout_seconds] if request.timeout_seconds > 0 else []
    if parent is not None:
        left.append(max(0.0, parent.deadline - time.monotonic()))
    try:
        return Header(
            version=__version__,
            command=request.command,
            cwd=parent.header.cwd if parent is not None else "/",
            pool=request.pool or own_pool,
            session=session or None,
            tool=request.tool,
            timeout=min(left, default=None),
            stream=request.stream,
            binary=request.takes_parts,
            references=request.takes_references and not request.stream,
            args_ref=from_message(request.args_ref) if request.HasField("args_ref") else None,
            metadata=None if parent is None else parent.header.metadata,
        )
    except ValueError as error:
        raise PitError("usage", str(error)) from None


def _nothing() -> None:
    """Nothing can be done about it: the answer is on its way."""
