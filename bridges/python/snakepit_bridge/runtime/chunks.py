"""Chunks of a stream on their way: JSON texts, or messages with parts for a caller that takes them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, Callable

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

Encode = Callable[[Any, str, int], bytes]
"""A chunk, the name of the command, the longest message: the chunk as it is sent, without its line break."""


def chunk_encoder(call: Call) -> Encode:
    """Gives the refusal of what has no form, and of what is too long."""
    encode: Encode = partial(answers.encode, nan_is_null=True) if call.nan_is_null else answers.encode
    if not call.takes_parts:
        return encode
    quick, leaves, small, plain, over = jsonio.quick_dumps, _LEAVES, _LEAVES.issuperset, _is_plain, answers.OVERHEAD

    def parted(chunk: Any, command: str, limit: int) -> bytes:
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

    def with_parts(chunk: Any, command: str, limit: int) -> bytes:
        parts: list[Buffer] = []
        text = answers.encode(chunk, command, limit, nan_is_null=call.nan_is_null, parts=parts)
        if not parts:
            return text
        buffers = answers.message(text, parts, command)
        size = sum(map(len, buffers))
        if size + answers.OVERHEAD > limit:
            raise _too_large(command, size, limit)
        return b"".join(buffers)  # a copy: the generator goes on, perhaps with the same array

    return parted


def _is_plain(values: Collection[Any], deeper: int = _DEEP) -> bool:
    """Whether it is seen quickly that there is nothing but JSON in these."""
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


def chunk_sender(call: Call) -> Callable[[bytes], None]:
    """Takes encoded chunks, in order. The caller of this wakes the outbox.

    JSON gathers in the call's lines until the first message with parts; from then on each chunk goes by itself, so that
    none overtakes another.
    """
    append, mixed = call.lines.append, False
    if not call.takes_parts:
        return append

    def send(chunk: bytes) -> None:
        nonlocal mixed
        if chunk[0] and not mixed:  # a message with parts begins with 0
            append(chunk)
            return
        mixed = True
        call.outbox.put_chunk(pb.Chunks(id=call.id, count=1), chunk + b"\n", call)

    return send


def _too_large(command: str, size: int, limit: int) -> Refusal:
    text = f"`{command}` has a chunk of {size} bytes; at most {limit - answers.OVERHEAD} fit into a message"
    return Refusal(failure(pb.Failure.Kind.INVALID_RESULT, text))
