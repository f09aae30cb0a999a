"""The items of a block, and the arguments that each of them stands for."""

from __future__ import annotations

from typing import Any

from snakepit_bridge import jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.runtime.references import block_lines

__all__ = ["Items"]


class Items:
    """What a block holds, split once. Arguments are made when they are asked for, so that few are alive at a time."""

    def __init__(self, block: pb.Block, fixed: dict[str, Any]) -> None:
        """Raises the refusal of a reference that cannot be read."""
        self.name: str = block.item_argument or "item"
        """The argument that an item becomes when it is no JSON object."""
        self.fixed = fixed
        self.text: bool = block.text
        data = block_lines(block)
        self.lines: list[Any] = _texts(data) if block.text else data.split(b"\n")[:-1]
        """JSON as it came, or text; what is not UTF-8 is the refusal that says so."""

    def __len__(self) -> int:
        return len(self.lines)

    def arguments(self, start: int, end: int) -> list[dict[str, Any] | Refusal]:
        """Those of some items, in order. One that is not JSON is the refusal that says so."""
        values = self.values(start, end)
        if not self.fixed and set(map(type, values)) == {dict}:
            return values
        return [self._merged(value) for value in values]

    def values(self, start: int, end: int) -> list[Any]:
        """Some items as they are. One that is not JSON, or not text, is the refusal that says so."""
        lines = self.lines[start:end]
        return lines if self.text else _values(lines)

    def _merged(self, value: Any) -> dict[str, Any] | Refusal:
        kind = type(value)
        if kind is dict:
            return {**self.fixed, **value}
        if kind is Refusal:
            refusal: Refusal = value
            return refusal
        return {**self.fixed, self.name: value}


def _values(lines: list[bytes]) -> list[Any]:
    decoded = jsonio.loads_all(lines)
    return [_value(line) for line in lines] if decoded is None else decoded


def _value(line: bytes) -> Any:
    try:
        return jsonio.loads(line)
    except jsonio.InvalidJson as error:
        return Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, str(error)))


def _texts(data: bytes) -> list[Any]:
    try:
        return data.decode().split("\n")[:-1]
    except UnicodeDecodeError:
        return [_text(line) for line in data.split(b"\n")[:-1]]


def _text(line: bytes) -> Any:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, f"the line is not UTF-8: {error}"))
