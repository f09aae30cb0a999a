"""Answers in one piece, perhaps with binary parts: a value, or all chunks of a caller that did not ask for a stream."""

from __future__ import annotations

from typing import Any

from snakepit_bridge.binary import Buffer
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.calls import Call
from snakepit_bridge.runtime.stream_chunks import unwrapped

__all__ = ["Collected", "whole_answer"]


def whole_answer(call: Call, value: Any, limit: int) -> bytes:
    """The answer of a caller that takes messages with parts."""
    parts: list[Buffer] = []
    text = answers.encode(value, call.command, limit, nan_is_null=call.nan_is_null, parts=parts)
    return answers.message(text, parts, call.command, limit)


class Collected:
    """One JSON array. Raises the refusal of what has no JSON form, and of more than fits into a message."""

    def __init__(self, call: Call, limit: int) -> None:
        self._call = call
        self._limit = limit
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

    def answer(self) -> bytes:
        text = b"[" + b",".join(self._texts) + b"]"
        return answers.message(text, self._parts or [], self._call.command, self._limit)
