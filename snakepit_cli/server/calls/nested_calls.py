"""Calls that handlers make while they serve a call: the worker is the caller."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.call import Call, Caller, Header, Runner
from snakepit_cli.wire import worker_pb2 as pb

Submit = Callable[[Caller, int, Header, bytes], tuple[Runner, Call]]
"""Accepts a call, or raises PitError."""


class Answers(Protocol):
    """The way back to the worker."""

    def reply(self, result: pb.Result) -> None: ...


class NestedCalls:
    """The requests of one worker that have no answer yet."""

    congested = False
    """Answers are single messages: they are not held back."""

    def __init__(self, link: Answers, submit: Submit) -> None:
        self._link = link
        self._submit = submit
        self._running: dict[int, tuple[Runner, Call, Call | None]] = {}
        """By request: the call, its pool, and the call within which it was made."""

    def ask(self, request: pb.Request, parent: Call | None, own_pool: str) -> None:
        """`parent` is the call within which it is made, None when that is over."""
        try:
            if request.id in self._running:
                raise PitError("usage", f"request {request.id} is still running")
            pool, call = self._submit(self, request.id, _header(request, parent, own_pool), request.args)
        except PitError as error:
            self.error(request.id, error)
            return
        if call.open:
            self._running[request.id] = pool, call, parent
            if parent is not None:
                parent.children[request.id] = lambda: pool.cancel(call)

    def withdraw(self, request: int) -> None:
        if known := self._running.get(request):
            known[0].cancel(known[1])

    def give_up(self) -> None:
        """The worker is gone."""
        for pool, call, _ in list(self._running.values()):
            pool.cancel(call)

    # -- the caller --

    def result(self, request: int, value: bytes) -> None:
        self._over(request)
        self._link.reply(pb.Result(id=request, value=value))

    def error(self, request: int, error: PitError) -> None:
        self._over(request)
        detail = error.detail
        self._link.reply(
            pb.Result(
                id=request,
                failure=pb.Failure(
                    name=error.kind,
                    message=error.message,
                    type=str(detail.get("type", "")),
                    traceback=str(detail.get("traceback", "")),
                ),
            )
        )

    def _over(self, request: int) -> None:
        _, _, parent = self._running.pop(request, (None, None, None))
        if parent is not None:
            parent.children.pop(request, None)

    def chunks(self, request: int, lines: bytes) -> None:
        """None come: the calls are plain ones."""

    def note(self, request: int, text: str) -> None:
        """No user waits for it."""

    def answers(self, request: int, lines: bytes, failed: Sequence[int]) -> None:
        """None come either."""


def _header(request: pb.Request, parent: Call | None, own_pool: str) -> Header:
    """Its deadline is at most that of the call within which it is made."""
    left = [request.timeout_seconds] if request.timeout_seconds > 0 else []
    if request.parent:
        if parent is None:
            raise PitError("cancelled", "the call within which it was made is over")
        left.append(max(0.0, parent.deadline - time.monotonic()))
    try:
        return Header(
            version=__version__,
            command=request.command,
            cwd=parent.header.cwd if parent is not None else "/",
            pool=request.pool or own_pool,
            session=request.session or None,
            timeout=min(left, default=None),
        )
    except ValueError as error:
        raise PitError("usage", f"malformed call: {error}") from None
