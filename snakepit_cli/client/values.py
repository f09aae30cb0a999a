"""Arguments and results as Python values: JSON, and beside it arrays, bytes and Arrow tables as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire.binary import BinaryError, Buffer, Place, is_message, pack, unpack
from snakepit_cli.wire.parts import ARROW, Writer, array_of, fill, imported, table_of


def encode(arguments: Mapping[str, Any]) -> list[Buffer]:
    """Arguments as they are sent; nothing binary is copied. Raises PitError `invalid_arguments`, which names one."""
    parts: list[Buffer] = []
    try:
        text = _encoder(parts).encode(dict(arguments)).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PitError("invalid_arguments", _fault(arguments) or f"the arguments cannot be sent: {error}") from None
    try:
        return pack(text, parts) if parts else [text]
    except BinaryError as error:
        raise PitError("invalid_arguments", f"the arguments: {error}") from None


def _encoder(parts: list[Buffer]) -> json.JSONEncoder:
    take = Writer(form, parts).take
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=take)


def _fault(arguments: Mapping[str, Any]) -> str | None:
    """What is wrong, with the name of the argument."""
    for name, one in arguments.items():
        try:
            _encoder([]).encode({name: one}).encode()
        except RecursionError:
            return f"`{name}` cannot be sent: it is nested too deeply, or contains itself"
        except UnicodeEncodeError:
            return f"{name!a} cannot be sent: it holds half of a surrogate pair, which UTF-8 cannot hold"
        except (TypeError, ValueError) as error:
            return f"`{name}` cannot be sent: {error}"
    return None


def decode(body: Buffer, what: str = "the result") -> Any:
    """The value of a result: arrays are read-only views into `body`. Raises PitError `invalid_result`."""
    try:
        if not is_message(body):
            return json.loads(str(body, "utf-8"))
        text, parts = unpack(body)
        return fill(json.loads(str(text, "utf-8")), parts, _value)
    except ValueError as error:
        raise PitError("invalid_result", f"{what} cannot be read: {error}") from None


def chunks(block: bytes) -> Iterator[Any]:
    """The values of chunks that came together. Raises PitError `invalid_result`."""
    if is_message(block):
        yield decode(memoryview(block)[:-1], "a chunk")
        return
    for line in block.split(b"\n")[:-1]:
        yield decode(line, "a chunk")


def form(value: Any) -> Any:
    if hasattr(type(value), "dtype") and not getattr(value, "ndim", 1):  # a number of numpy
        return value.item()
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


def _value(place: Place, part: memoryview) -> Any:
    if place.dtype:
        return array_of(place, part)
    return table_of(part) if place.type == ARROW and imported("pyarrow") is not None else bytes(part)
