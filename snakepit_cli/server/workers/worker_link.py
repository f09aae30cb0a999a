"""The interface between a pool and a worker, however the worker is reached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from snakepit_cli.wire import worker_pb2 as pb


class Link(Protocol):
    """The way to one attached worker. None of these waits."""

    @property
    def protocol(self) -> int:
        """Version of the contract that the worker speaks. From 2 on it knows messages with parts, and references."""

    @property
    def runs_batches(self) -> bool:
        """Its handlers may be given many items of a block at a time."""

    @property
    def why_silent(self) -> str:
        """What may be wrong with a worker that does not answer."""

    def call(
        self,
        call_id: int,
        command: str,
        args: bytes,
        *,
        session: str,
        timeout: float,
        stream: bool,
        cwd: str,
        block: pb.Block | None = None,
        nan_is_null: bool = False,
        metadata: bytes = b"",
        tool: bool = False,
        takes_parts: bool = False,
        args_ref: pb.Reference | None = None,
        takes_references: bool = False,
    ) -> None: ...

    def cancel(self, call_id: int) -> None: ...

    def segment_bytes(self, count: int) -> None: ...

    def recall(self, call_ids: Iterable[int]) -> None: ...

    @property
    def unread(self) -> int:
        """Bytes of answers that wait to be sent."""

    def reply(self, result: pb.Result) -> None: ...

    def reply_chunks(self, request: int, lines: bytes) -> None: ...

    def invalidate(self, number: int, session: str, names: Iterable[str]) -> None: ...

    def end_sessions(self, sessions: Iterable[str]) -> None: ...

    def credit(self, call_id: int, count: int) -> None: ...

    def close(self) -> None:
        """Ends the conversation."""

    def ping(self, nonce: int) -> None: ...

    def drain(self) -> None: ...
