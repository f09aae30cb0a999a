"""Arguments and results as Python values: JSON, and beside it arrays, bytes and Arrow tables as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire.binary import BinaryError, Buffer, Place, is_message, pack, unpack
from snakepit_cli.wire.parts import ARROW, Writer, array_of, fill, imported, table_of


def encode(arguments: Mapping[str, Any]) -> list[Buffer]:
    """Arguments as they are sent; nothing binary is copied. Raises PitError `invalid_arguments`, which names one."""
    parts: list[Buffer] = []
    members = [f"{_text('a name', name, parts)}:{_text(f'`{name}`', one, parts)}" for name, one in arguments.items()]
    text = f"{{{','.join(members)}}}"
    try:
        return pack(text.encode(), parts) if parts else [text.encode()]
    except (BinaryError, UnicodeEncodeError) as error:
        raise PitError("invalid_arguments", f"the arguments: {error}") from None


def decode(body: Buffer) -> Any:
    """The value of a result: arrays are read-only views into `body`. Raises PitError `invalid_result`."""
    try:
        if not is_message(body):
            return json.loads(bytes(body))
        text, parts = unpack(body)
        return fill(json.loads(bytes(text)), parts, _value)
    except ValueError as error:
        raise PitError("invalid_result", f"the result cannot be read: {error}") from None


def _text(what: str, value: Any, parts: list[Buffer]) -> str:
    writer = Writer(_form, parts)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=writer.take)
    except RecursionError:
        raise PitError("invalid_arguments", f"{what} is nested too deeply, or contains itself") from None
    except (TypeError, ValueError) as error:
        raise PitError("invalid_arguments", f"{what} cannot be sent: {error}") from None


def _form(value: Any) -> Any:
    if hasattr(type(value), "dtype") and not getattr(value, "ndim", 1):  # a number of numpy
        return value.item()
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


def _value(place: Place, part: memoryview) -> Any:
    if place.dtype:
        return array_of(place, part)
    return table_of(part) if place.type == ARROW and imported("pyarrow") is not None else bytes(part)
