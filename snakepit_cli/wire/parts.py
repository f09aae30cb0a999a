"""Values that travel as parts of a message: arrays, bytes, Arrow tables. Never pickled. numpy and pyarrow are optional.

Arrays are what numpy, DLPack or the buffer protocol say that they are.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import Any, Protocol

from snakepit_cli.wire.binary import DTYPES, KEY, SMALL, BinaryError, Buffer, Place, place_of, raw

__all__ = ["ARROW", "Binary", "Make", "Writer", "array_of", "fill", "is_long", "table_of"]

ARROW = "application/vnd.apache.arrow.stream"
_CPU = 1
_DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 13: "CUDA", 14: "oneAPI"}
_NAMES: dict[Any, str] = {}
"""The names of numpy's types that have been sent."""
_TYPES: dict[str, Any] = {}
"""numpy's types that have come, by name."""
_MISSING: set[str] = set()
"""Modules that could not be imported: to look for one again takes longer than a call."""
_LETTERS = {**dict.fromkeys("bhilqn", "int"), **dict.fromkeys("BHILQN", "uint"), **dict.fromkeys("efd", "float")}


class Binary:
    """Opaque bytes with a content type, such as "image/png"."""

    __slots__ = ("data", "type")

    def __init__(self, data: Any, type: str = "") -> None:  # noqa: A002 - what it is called elsewhere
        self.data = data
        self.type = type

    def __bytes__(self) -> bytes:
        return bytes(self.data)

    def __repr__(self) -> str:
        return f"Binary({raw(self.data).nbytes} bytes, {self.type!r})"


# ------------------------------------------------------------------------------------------------ out


class Form(Protocol):
    """Gives the JSON form of a value that is neither JSON nor binary."""

    def __call__(self, value: Any) -> Any: ...


class Writer:
    """Takes parts out of a value while it is encoded: `take` is the encoder's hook for what JSON does not have."""

    __slots__ = ("_otherwise", "_refusal", "parts")

    def __init__(self, otherwise: Form, parts: list[Buffer], refusal: type[Exception] = BinaryError) -> None:
        """Adds to `parts`. `otherwise` gives the form of what is not binary, `refusal` is for what cannot be sent."""
        self._otherwise = otherwise
        self._refusal = refusal
        self.parts = parts

    def take(self, value: Any) -> Any:
        """The object that stands for a binary value. Raises the refusal for an array on another device."""
        kind = type(value)
        if kind is bytes:
            return self._opaque(value, "")
        if kind is Binary:
            return self._opaque(value.data, value.type)
        if (numpy := sys.modules.get("numpy")) is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            return self._numpy(numpy, value, value)
        if (arrow := sys.modules.get("pyarrow")) is not None and isinstance(value, (arrow.Table, arrow.RecordBatch)):
            return self._opaque(_stream_of(arrow, value), ARROW)
        if hasattr(kind, "__dlpack__") and hasattr(kind, "__dlpack_device__"):
            return self._dlpack(value)
        return self._buffer(value)

    def _place(self, data: Buffer, dtype: str, shape: Sequence[int], kind: str) -> dict[str, Any]:
        self.parts.append(data)
        return Place(len(self.parts) - 1, dtype, tuple(shape), kind).as_json()

    def _opaque(self, data: Any, kind: str) -> dict[str, Any]:
        view = memoryview(data)
        return self._place(raw(view if view.c_contiguous else view.tobytes()), "", (), kind)

    def _buffer(self, value: Any) -> Any:
        """What has the buffer protocol: bytes are opaque, all other elements make an array."""
        try:
            view = memoryview(value)
        except (TypeError, ValueError, BufferError):
            return self._otherwise(value)
        letter = view.format.lstrip("@=<") if sys.byteorder == "little" else view.format
        if letter in {"B", "c"} and view.ndim == 1 and not isinstance(value, array):
            return self._opaque(view, "")
        dtype = "bool" if letter == "?" else f"{_LETTERS.get(letter, '')}{8 * view.itemsize}"
        if dtype not in DTYPES:
            return self._otherwise(value)
        # `cast` knows no letters with a prefix, such as those of ctypes.
        plain = view.c_contiguous and letter == view.format
        return self._place(raw(view if plain else view.tobytes()), dtype, view.shape or (), "")

    def _numpy(self, numpy: Any, value: Any, found: Any) -> Any:
        """`found` is the array that `value` is; a masked one would lose its mask."""
        dtype = found.dtype
        name = _NAMES.get(dtype) or _learn_name(dtype)
        if not name or type(found) is not numpy.ndarray:
            if not name or isinstance(found, (numpy.generic, numpy.ma.MaskedArray)):
                return self._otherwise(value)
            found = numpy.asarray(found)
        if not dtype.isnative or sys.byteorder == "big":
            found = found.astype(dtype.newbyteorder("<"))
        flat = numpy.ascontiguousarray(found).reshape(-1)
        return self._place(flat.view(numpy.uint8).data, name, found.shape, "")

    def _dlpack(self, value: Any) -> Any:
        device, _ = value.__dlpack_device__()
        if device != _CPU:
            name = _DEVICES.get(int(device), f"device type {int(device)}")
            raise self._refusal(f"is an array on {name}; move it to the CPU first")
        numpy = imported("numpy")
        try:
            found = numpy.from_dlpack(value)
        except Exception:  # noqa: BLE001 - no numpy, a type that it lacks, a tensor with a gradient
            return self._otherwise(value)
        return self._numpy(numpy, value, found)


def _learn_name(dtype: Any) -> str:
    """Empty for a type that is not sent."""
    name = str(dtype.name)  # numpy takes long to make it up
    if name not in DTYPES:
        return ""
    _NAMES[dtype] = name
    return name


def _stream_of(arrow: Any, table: Any) -> Any:
    imported("pyarrow.ipc")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return sink.getvalue()


# ------------------------------------------------------------------------------------------------- in


class Make(Protocol):
    """Gives what a reader gets for a part."""

    def __call__(self, place: Place, part: memoryview) -> Any: ...


def fill(value: Any, parts: Sequence[memoryview], make: Make, seen: set[int] | None = None) -> Any:
    """Puts what `make` gives for each part into its place in decoded JSON. Changes `value`. Raises BinaryError.

    `seen`: parts that have had a place in other values; then those without one are the caller's to refuse.
    """
    top = [value]
    waiting: list[Any] = [top]
    used: set[int] = set() if seen is None else seen
    while waiting:
        holder = waiting.pop()
        for key, inner in holder.items() if type(holder) is dict else enumerate(holder):
            kind = type(inner)
            if kind is dict and KEY in inner:
                place = place_of(inner, parts)
                if place.part in used:
                    raise BinaryError(f"part {place.part} has two places")
                used.add(place.part)
                holder[key] = make(place, parts[place.part])
            elif kind is dict or kind is list:
                waiting.append(inner)
    if seen is None and len(used) != len(parts):
        missing = next(index for index in range(len(parts)) if index not in used)
        raise BinaryError(f"part {missing} has no place")
    return top[0]


def array_of(place: Place, part: memoryview) -> Any:
    """A read-only array without a copy: numpy's, or a memoryview when there is no numpy. Raises BinaryError."""
    numpy = imported("numpy")
    if numpy is None:
        return _view_of(place, part)
    dtype = _TYPES.get(place.dtype)
    if dtype is None:
        dtype = numpy.dtype(place.dtype)
        if sys.byteorder == "big":  # elsewhere it would say so in the format, which memoryview does not know
            dtype = dtype.newbyteorder("<")
        _TYPES[place.dtype] = dtype
    if part.nbytes:
        found = numpy.frombuffer(part, dtype)
        return found if len(place.shape) == 1 else found.reshape(place.shape)
    empty = numpy.empty(place.shape, dtype)
    empty.flags.writeable = False
    return empty


def _view_of(place: Place, part: memoryview) -> memoryview:
    letter: Any = DTYPES[place.dtype][1]
    if not letter or sys.byteorder == "big":
        raise BinaryError(f"an array of {place.dtype} needs numpy here: install it with `pip install numpy`")
    try:
        # A view cannot have a dimension of no elements, unless it is the only one.
        return part.cast(letter, place.shape) if part.nbytes else part.cast(letter)
    except ValueError:  # float16, before Python 3.12
        raise BinaryError(f"an array of {place.dtype} needs numpy here: install it with `pip install numpy`") from None


def table_of(part: memoryview) -> Any:
    """The pyarrow.Table of an Arrow IPC stream, without a copy. Raises BinaryError."""
    arrow = imported("pyarrow")
    if arrow is None:
        raise BinaryError("an Arrow table needs pyarrow here: install it with `pip install pyarrow`")
    imported("pyarrow.ipc")
    try:
        with arrow.ipc.open_stream(arrow.py_buffer(part)) as reader:
            return reader.read_all()
    except arrow.ArrowException as error:
        raise BinaryError(f"not an Arrow stream: {error}") from None


def is_long(value: Any) -> bool:
    """Whether a variable keeps the value as it is, not as JSON: it is an array of numbers of more than SMALL bytes."""
    if type(value) is array:
        return len(value) * value.itemsize > SMALL and value.typecode != "u"
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return False
    return bool(value.nbytes > SMALL) and value.dtype.kind in "iuf" and value.dtype.itemsize <= 8


def imported(name: str) -> Any:
    """An optional module, the top one of a dotted name; None when it cannot be imported."""
    if name in _MISSING and name not in sys.modules:
        return None
    try:
        return __import__(name)
    except Exception:  # noqa: BLE001 - a broken one is as good as none
        _MISSING.add(name)
        return None
