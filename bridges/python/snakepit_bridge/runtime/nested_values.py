"""Arguments and results of the calls that handlers make: JSON, and beside it arrays and bytes as they are."""

from __future__ import annotations

from typing import Any

from snakepit_bridge import jsonio, jsonparts
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.binary import BinaryError, Buffer, Place, is_message, pack, unpack
from snakepit_bridge.errors import CallFailedError
from snakepit_bridge.parts import ARROW, array_of, fill, imported, table_of
from snakepit_bridge.runtime.segments import Segments

__all__ = ["Arguments", "decode", "encode"]


class Arguments:
    """Arguments of a request: in a segment when they are long, else as bytes; JSON for a worker that takes nothing
    else."""

    def __init__(self, values: dict[str, Any], segments: Segments | None) -> None:
        """Raises NoJsonForm."""
        self._values = values
        self._segments = segments
        self._buffers = _encoded(values)
        self._referred = False
        """The last request referred to them."""

    def put(self, request: pb.Request) -> None:
        """Adds them to the request."""
        # Without asking for more room: only one thread may do so, and handlers call from many.
        ref = None if self._segments is None else self._segments.put(self._buffers, ask=False)
        self._referred = ref is not None
        if ref is not None:
            request.args_ref.CopyFrom(ref)
            return
        request.ClearField("args_ref")
        request.args = b"".join(self._buffers)  # of one buffer no copy is made

    def other_form(self, error: CallFailedError) -> bool:
        """Whether the next `put` adds them in a form that the called worker may be able to read. With `error` it has
        refused this one."""
        if error.kind == "reference_failed" and self._referred:
            self._segments = None
        elif error.wants_json and len(self._buffers) > 1:
            self._buffers = [jsonio.dumps(self._values)]
        else:
            return False
        return True


def encode(value: Any) -> bytes:
    """JSON, or a message with parts when there are any. Raises NoJsonForm."""
    return b"".join(_encoded(value))


def _encoded(value: Any) -> list[Buffer]:
    """More than one buffer: a message with parts. Raises NoJsonForm."""
    parts: list[Buffer] = []
    text = jsonparts.dumps(value, parts)
    try:
        return pack(text, parts) if parts else [text]
    except BinaryError as error:
        raise jsonio.NoJsonForm(str(error)) from None


def decode(data: bytes) -> Any:
    """The value; arrays are read-only views into `data`. Raises CallFailedError `invalid_result`."""
    if not is_message(data):
        return jsonio.loads(data)
    try:
        text, parts = unpack(data)
        return fill(jsonio.loads(bytes(text)), parts, _value)
    except (BinaryError, jsonio.InvalidJson) as error:
        raise CallFailedError("invalid_result", f"the answer cannot be read: {error}") from None


def _value(place: Place, part: memoryview) -> Any:
    if place.dtype:
        return array_of(place, part)
    return table_of(part) if place.type == ARROW and imported("pyarrow") is not None else bytes(part)
