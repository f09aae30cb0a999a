"""A call in flight, and who waits for its answer."""

from __future__ import annotations

from typing import Protocol

import msgspec

from snakepit_cli.base.errors import PitError


class Header(msgspec.Struct, frozen=True):
    """First line of a call frame; docs/front-protocol.md says what the fields mean."""

    version: str
    command: str
    cwd: str
    pool: str = "default"
    session: str | None = None
    timeout: float | None = None
    stream: bool = False


class Caller(Protocol):
    """The connection a call came from. None of these waits."""

    @property
    def congested(self) -> bool:
        """Its reader is slower than we are: produce no more for now."""

    def result(self, request: int, value: bytes) -> None: ...

    def error(self, request: int, error: PitError) -> None: ...

    def chunks(self, request: int, lines: bytes) -> None: ...


class Call:
    """One request for a command. `id` is ours and never used again, `request` is the client's."""

    __slots__ = ("args", "caller", "header", "id", "open", "owed", "request", "worker")

    def __init__(self, call_id: int, caller: Caller, request: int, header: Header, args: bytes) -> None:
        self.id = call_id
        self.caller = caller
        self.request = request
        self.header = header
        self.args = args
        self.open = True
        """Not settled yet."""
        self.worker: str | None = None
        self.owed = 0
        """Bytes of chunks passed on for which the worker has not been given new room yet."""
