"""Values of variables on their way to the server: JSON text, and long arrays as parts beside it."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.json_text import JsonText, PartText, encode
from snakepit_cli.wire.binary import KEY, BinaryError, Buffer, pack
from snakepit_cli.wire.parts import Writer, is_long

_FIRST = f'"{KEY}":0'


def text(value: Any, name: str, parts: list[Buffer], kind: str = "") -> JsonText:
    """The value as JSON text; a long array in it is added to `parts`. `kind`: the variable's type, when it is known.

    An array is a list of numbers; one of a tensor, and one of more than one dimension, is a tensor. Raises PitError
    `invalid_value`.
    """
    if isinstance(value, PartText):
        parts.append(value.part)
        return JsonText(value.replace(_FIRST, f'"{KEY}":{len(parts) - 1}', 1))
    value = _form(value, kind)
    if not is_long(value.get("data") if type(value) is dict and len(value) == 2 else value):
        return JsonText(encode(value, name))
    take = Writer(_refused, parts).take
    try:
        found = json.dumps(value, default=take, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise PitError("invalid_value", f"{name}: {error}") from None
    return JsonText(found)


def message(body: str, parts: list[Buffer]) -> bytes:
    """A query with these parts. Raises PitError `invalid_value`."""
    try:
        return b"".join(pack(body.encode(), parts)) if parts else body.encode()
    except BinaryError as error:
        raise PitError("invalid_value", str(error)) from None


def texts(values: Mapping[str, Any], parts: list[Buffer]) -> dict[str, JsonText]:
    return {name: text(value, name, parts) for name, value in values.items()}


def _form(value: Any, kind: str) -> Any:
    """The value with lists in the place of short arrays; long arrays stay as they are."""
    if type(value) is array and not is_long(value):
        return value.tolist()
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple) or not callable(getattr(value, "tolist", None)) or isinstance(value, memoryview):
        return value
    tensor = kind == "tensor" or (len(shape) > 1 and not kind)
    data = value if is_long(value) else value.reshape(-1).tolist() if tensor else value.tolist()
    return {"shape": list(shape), "data": data} if tensor else data


def _refused(value: Any) -> Any:
    raise TypeError(f"{type(value).__qualname__} has no JSON form")
