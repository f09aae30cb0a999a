"""Chunks of a stream on their way: JSON texts, or messages with parts for a caller that takes them. Long ones go by
reference when the caller can read segments."""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from typing import Any, Callable, Union

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.binary import Buffer
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.calls import Call

__all__ = ["chunk_encoder", "chunk_sender"]

_LEAVES = frozenset({str, int, float, bool, type(None)})
_DEEP = 4
_WIDE = 16


class InSegment:
    """A chunk that has been put into a segment, with its line break."""

    __slots__ = ("ref",)

    def __init__(self, ref: pb.Reference) -> None:
        self.ref = ref

    def __len__(self) -> int:
        """Bytes, without the line break."""
        return self.ref.length - 1


Chunk = Union[bytes, InSegment]
"""As it is sent; bytes are without their line break."""
Encode = Callable[[Any, str, int], Chunk]
"""Takes a chunk, the name of the command, and the length of the longest message."""


def chunk_encoder(call: Call) -> Encode:
    """The encoder for the chunks of a call. It refuses a chunk that has no JSON form or is too long."""
    encode: Encode = partial(answers.encode, nan_is_null=True) if call.nan_is_null else answers.encode
    if not call.takes_parts:
        return encode
    quick, leaves, small, plain, over = jsonio.quick_dumps, _LEAVES, _LEAVES.issuperset, _is_plain, answers.OVERHEAD

    def parted(chunk: Any, command: str, limit: int) -> Chunk:
        # Most streams are of small JSON values, which are to cost as little as they do without parts.
        kind = type(chunk)
        if kind is dict:
            easy = small(map(type, chunk.values())) or plain(chunk.values())
        else:
            easy = kind in leaves or (kind is list and plain(chunk))
        if not easy:
            return with_parts(chunk, command, limit)
        try:
            data = quick(chunk)
        except Exception:  # noqa: BLE001 - the other way names the cause
            return encode(chunk, command, limit)
        return data if len(data) + over <= limit and b"null" not in data else encode(chunk, command, limit)

    def with_parts(chunk: Any, command: str, limit: int) -> Chunk:
        parts: list[Buffer] = []
        text = answers.encode(chunk, command, limit, nan_is_null=call.nan_is_null, parts=parts)
        if not parts:
            return text
        buffers = answers.message(text, parts, command)
        size = sum(map(len, buffers))
        if size + answers.OVERHEAD > limit:
            raise _too_large(command, size, limit)
        # A copy in any case: the generator goes on, perhaps with the same array.
        return _referred(call, buffers) or b"".join(buffers)

    return parted


def _is_plain(values: Collection[Any], deeper: int = _DEEP) -> bool:
    """Whether a quick look shows that the values hold nothing but JSON."""
    if len(values) > _WIDE:
        return False
    for one in values:
        kind = type(one)
        if kind in _LEAVES:
            continue
        inner = one.values() if kind is dict else one if kind is list else None
        if inner is None or not (_LEAVES.issuperset(map(type, inner)) or (deeper and _is_plain(inner, deeper - 1))):
            return False
    return True


def chunk_sender(call: Call) -> Callable[[Chunk], None]:
    """Takes encoded chunks, in order. The caller of this wakes the outbox.

    Short JSON gathers in the call's lines, which leave together. Messages with parts and long chunks go by themselves.
    Lines would overtake those that have not left yet, so until then JSON goes by itself, too.
    """
    append: Callable[[Any], None] = call.lines.append
    outbox, apart = call.outbox, False
    if not call.takes_parts and call.segments is None:
        return append
    long = sys.maxsize if call.segments is None else call.segments.above

    def send(chunk: Chunk) -> None:
        nonlocal apart
        if isinstance(chunk, bytes) and len(chunk) < long and chunk[0]:  # a message with parts begins with 0
            apart = apart and outbox.holds_results
            if not apart:
                append(chunk)
                return
        apart = True
        if isinstance(chunk, bytes):
            chunk = _referred(call, [chunk]) or chunk
        if isinstance(chunk, InSegment):
            outbox.put_chunk_ref(pb.Chunks(id=call.id, count=1, lines_ref=chunk.ref), call)
        else:
            outbox.put_chunk(pb.Chunks(id=call.id, count=1), chunk + b"\n", call)

    return send


def _referred(call: Call, buffers: list[Buffer]) -> InSegment | None:
    """The chunk in a segment; None when it is to be sent as bytes."""
    if call.segments is None:
        return None
    # Without asking for more room: a reader that is slow or keeps its chunks gives none back for long.
    ref = call.segments.put([*buffers, b"\n"], ask=False)
    return None if ref is None else InSegment(ref)


def _too_large(command: str, size: int, limit: int) -> Refusal:
    text = f"`{command}` has a chunk of {size} bytes; at most {limit - answers.OVERHEAD} fit into a message"
    return Refusal(failure(pb.Failure.Kind.INVALID_RESULT, text))
