"""Queries that come as messages with parts: values of variables may hold arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire import state
from snakepit_cli.wire.binary import KEY, BinaryError, Buffer, Place, pack, unpack
from snakepit_cli.wire.parts import fill

_KEY = f'"{KEY}"'.encode()


def decode(body: bytes, of_text: Callable[[bytes], Any]) -> Any:
    """The request. Each value in it that has parts becomes a message of its own. `of_text` decodes JSON.

    Raises PitError `usage`, and what `of_text` raises.
    """
    try:
        text, parts = unpack(body)
        request = of_text(bytes(text))
        used: set[int] = set()

        def value(raw: msgspec.Raw) -> msgspec.Raw:
            return _message(raw, parts, used)

        if isinstance(request, state.VarRegister | state.VarSet):
            request = msgspec.structs.replace(request, value=value(request.value))
        elif isinstance(request, state.VarMset):
            found = {name: value(one) for name, one in request.values.items()}
            request = msgspec.structs.replace(request, values=found)
        if len(used) != len(parts):
            missing = next(index for index in range(len(parts)) if index not in used)
            raise BinaryError(f"part {missing} has no place in a value")
    except (BinaryError, msgspec.DecodeError, RecursionError) as error:
        raise PitError("usage", f"malformed query: {error}") from None
    return request


def _message(raw: msgspec.Raw, parts: list[memoryview], used: set[int]) -> msgspec.Raw:
    text = bytes(raw)
    if _KEY not in text:
        return raw
    own: list[Buffer] = []

    def make(place: Place, part: memoryview) -> Any:
        own.append(part)
        return place._replace(part=len(own) - 1).as_json()

    value = fill(msgspec.json.decode(text), parts, make, used)
    return msgspec.Raw(b"".join(pack(msgspec.json.encode(value), own))) if own else raw
