"""The value of a variable with a long array in it, or one that goes into a file."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any

from snakepit_cli.cli.output import parts
from snakepit_cli.client.call import output_file
from snakepit_cli.client.call.arguments import members
from snakepit_cli.client.call.parted import Part, Parted, is_shape

if TYPE_CHECKING:
    from snakepit_cli.client.call.call import Result
    from snakepit_cli.client.call.state_query import StateQuery

_WIDE = {int: "q", float: "d"}


def show(query: StateQuery, answer: Result) -> None:
    """Raises PitError, ArgumentsError."""
    body = answer if isinstance(answer, (bytes, memoryview)) else answer.view()
    result = Parted(body, "the answer") if body[:1] == b"\0" else None
    text = bytes(body).decode(errors="replace") if result is None else result.text
    if query.part is not None:
        text = members(text, "the answer")[query.part]
    if result is not None:
        result.text = text
    if query.output_file is not None:
        chosen = parts.chosen(result, text, query)
        parts.write_file(query, result, chosen, _array(result, chosen))
    elif result is not None and query.raw and (part := _array(result, parts.chosen(result, text, query))) is not None:
        parts.write_raw(part, "the value", "send it to a file with > or --output-file")
    elif result is not None:
        parts.show_parted(query, result)


def check(query: StateQuery) -> None:
    """Raises ArgumentsError for an output file that cannot be written."""
    if query.output_file is not None:
        output_file.check(query.output_file)


def _array(result: Parted | None, text: str) -> Part | None:
    """The array that a value is: a part, a tensor, or numbers in lists."""
    if result is not None and (part := result.only(text)) is not None:
        return part
    if result is not None and text[:1] == "{" and (found := members(text, "the value")).keys() == {"shape", "data"}:
        part = result.only(found["data"])
        return None if part is None else Part.array(part.place.dtype, json.loads(found["shape"]), part.data)
    return None if result is not None else _of_numbers(json.loads(text))


def _of_numbers(value: Any) -> Part | None:
    tensor = type(value) is dict and value.keys() == {"shape", "data"}
    shape, flat = _flat(value["data"] if tensor else value)
    if tensor:
        shape = value["shape"]
        if not is_shape(shape):  # a variable of another type, which may hold anything
            return None
    kinds = set(map(type, flat))
    if not isinstance(value, dict | list) or not kinds <= _WIDE.keys() or math.prod(shape) != len(flat):
        return None
    wide = float if float in kinds else int
    try:
        data = struct.pack(f"<{len(flat)}{_WIDE[wide]}", *flat)
    except struct.error:
        return None  # beyond 64 bits
    return Part.array("float64" if wide is float else "int64", shape, memoryview(data))


def _flat(value: Any) -> tuple[list[int], list[Any]]:
    """Sizes and elements of lists in lists, as long as these are equally long."""
    shape: list[int] = []
    level = [value]
    while level and all(type(one) is list for one in level) and len({len(one) for one in level}) == 1:
        shape.append(len(level[0]))
        level = [inner for one in level for inner in one]
    return shape, level
