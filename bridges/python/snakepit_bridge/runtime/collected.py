"""Answers in one piece, perhaps with binary parts: a value, or all chunks of a caller that did not ask for a stream."""

from __future__ import annotations

from typing import Any

from snakepit_bridge.binary import Buffer
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.calls import Answer, Call
from snakepit_bridge.runtime.stream_chunks import unwrapped

_LONGEST = 1 << 32
"""Bytes of an answer that may go into a segment."""
__all__ = ["Collected", "whole_answer"]


def whole_answer(call: Call, value: Any, limit: int) -> Answer:
    """The answer to a call that is no stream: in a segment when it is long and the caller can read one."""
    parts: list[Buffer] | None = [] if call.takes_parts else None
    longest = limit if call.segments is None else _LONGEST
    text = answers.encode(value, call.command, longest, nan_is_null=call.nan_is_null, parts=parts)
    return _placed(call, text, parts, limit)


def _placed(call: Call, text: bytes, parts: list[Buffer] | None, limit: int) -> Answer:
    buffers: list[Buffer] = answers.message(text, parts, call.command) if parts else [text]
    if call.segments is not None and call.block is None and (ref := call.segments.put(buffers)) is not None:
        return ref
    size = sum(map(len, buffers))
    if size + answers.OVERHEAD > limit:
        raise answers.too_large(call.command, size, limit)
    return text if len(buffers) == 1 else b"".join(buffers)


class Collected:
    """One JSON array. Raises the refusal of what has no JSON form, and of more than fits into a message."""

    def __init__(self, call: Call, limit: int) -> None:
        self._call = call
        self._limit = limit if call.segments is None else _LONGEST
        self._inline = limit
        self._texts: list[bytes] = []
        self._parts: list[Buffer] | None = [] if call.takes_parts else None
        self._size = answers.OVERHEAD

    def add(self, chunk: Any) -> None:
        call, parts = self._call, self._parts
        begun = 0 if parts is None else len(parts)
        text = answers.encode(
            unwrapped(chunk), call.command, self._limit, nan_is_null=call.nan_is_null, parts=parts
        )  # fmt: skip
        self._texts.append(text)
        self._size += len(text) + 1
        if parts is not None:
            self._size += sum(len(part) for part in parts[begun:])
        if self._size > self._limit:
            raise answers.too_large(call.command, self._size - answers.OVERHEAD, self._limit)
        if parts is not None:
            # The generator goes on, perhaps with the same array.
            parts[begun:] = [bytes(part) for part in parts[begun:]]

    def answer(self) -> Answer:
        return _placed(self._call, b"[" + b",".join(self._texts) + b"]", self._parts, self._inline)
