"""Turns what a handler returned or raised into an answer of the contract."""

from __future__ import annotations

from typing import Any

from snakepit_bridge import binary, jsonio, jsonparts
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.binary import Buffer
from snakepit_bridge.failures import Refusal, failure, from_exception

__all__ = ["encode", "handler_failed", "message", "too_large"]

OVERHEAD = 64
"""Bytes that a message holds around the largest value."""


def encode(
    value: Any, command: str, limit: int, *, nan_is_null: bool = False, parts: list[Buffer] | None = None
) -> bytes:
    """JSON of a handler's value, or the refusal that says what is wrong with it. With `parts`, arrays and bytes are
    added to these instead: see `message`."""
    try:
        if parts is None:
            data = jsonio.dumps(value, nan_is_null=nan_is_null)
        else:
            data = jsonparts.dumps(value, parts, nan_is_null=nan_is_null)
    except jsonio.NoJsonForm as error:
        reason = failure(pb.Failure.Kind.INVALID_RESULT, f"`{command}` returned no JSON: {error}")
        raise Refusal(reason) from None
    except Exception as error:
        raise Refusal(from_exception(error, pb.Failure.Kind.INVALID_RESULT)) from error
    if len(data) + OVERHEAD > limit:
        raise too_large(command, len(data), limit)
    return data


def message(text: bytes, parts: list[Buffer], command: str) -> list[Buffer]:
    """The answer of a caller that takes messages with parts, or the refusal that says what is wrong with it."""
    try:
        return binary.pack(text, parts) if parts else [text]
    except binary.BinaryError as error:
        raise Refusal(failure(pb.Failure.Kind.INVALID_RESULT, f"`{command}`: {error}")) from None


def too_large(command: str, size: int, limit: int) -> Refusal:
    text = f"`{command}` returned {size} bytes; at most {limit - OVERHEAD} fit into a message. Stream it in chunks."
    return Refusal(failure(pb.Failure.Kind.INVALID_RESULT, text))


def handler_failed(error: BaseException) -> pb.Failure:
    """The handler raised: anything, SystemExit and KeyboardInterrupt included."""
    return from_exception(error, pb.Failure.Kind.COMMAND_FAILED)
