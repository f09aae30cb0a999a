"""Replies to requests of handlers that come in segments of other workers."""

from __future__ import annotations

from typing import Union

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.failures import Refusal
from snakepit_bridge.runtime import references
from snakepit_bridge.runtime.outbox import Outbox

__all__ = ["LongReply", "Reply", "fetched"]


class LongReply:
    """A reply whose value was in a segment."""

    __slots__ = ("id", "value")

    def __init__(self, request: int, value: bytes) -> None:
        self.id = request
        self.value = value


Reply = Union[pb.Result, LongReply]


def fetched(result: pb.Result, outbox: Outbox) -> Reply:
    """With the value that it refers to. The reader copies it and releases the segment at once, because the request
    may have been given up."""
    ref = result.value_ref
    try:
        return LongReply(result.id, references.read(ref))
    except Refusal as refusal:
        refusal.failure.name = "server_restarted"  # `reference_failed` would say that nothing has run
        return pb.Result(id=result.id, failure=refusal.failure)
    finally:
        outbox.put_released(ref.path)
