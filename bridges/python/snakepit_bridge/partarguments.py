"""Arguments that came as a message with parts. The annotation of a parameter says in which form it gets its part."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any, Callable

from snakepit_bridge import jsonio
from snakepit_bridge.annotations import resolved, union_of
from snakepit_bridge.binary import KEY, BinaryError, Buffer, Place, unpack
from snakepit_bridge.parts import ARROW, Binary, array_of, fill, imported, table_of

__all__ = ["forms_of", "read"]

Form = Callable[[Place, memoryview], Any]


def read(data: Buffer, forms: Mapping[str, Form]) -> dict[str, Any]:
    """The arguments. `forms` are those of parameters that want another one. Raises BinaryError, which names the
    argument that does not fit, and InvalidJson."""
    text, parts = unpack(data)
    args = jsonio.loads_object(bytes(text))
    found: dict[str, Any]
    if not forms:
        found = fill(args, parts, _usual)
        return found
    wanted = {
        inner[KEY]: name
        for name, inner in args.items()
        if name in forms and type(inner) is dict and type(inner.get(KEY)) is int
    }

    def make(place: Place, part: memoryview) -> Any:
        name = wanted.get(place.part)
        if name is None:
            return _usual(place, part)
        try:
            return forms[name](place, part)
        except BinaryError as error:
            raise BinaryError(f"`{name}`: {error}") from None

    found = fill(args, parts, make)
    return found


def forms_of(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> dict[str, Form]:
    """By parameter, when its annotation names a form that is not the usual one."""
    found = {}
    for one in parameters:
        for kind in union_of(resolved(function, one)):
            form = _FORMS.get(_name(typing.get_origin(kind) or kind))
            if form is not None:
                found[one.name] = form
    return found


def _name(kind: Any) -> str:
    # Arrow's types are known by more than one name: pyarrow.Table is pyarrow.lib.Table.
    return f"{str(getattr(kind, '__module__', '')).partition('.')[0]}.{getattr(kind, '__name__', '')}"


def _usual(place: Place, part: memoryview) -> Any:
    return array_of(place, part) if place.dtype else bytes(part)


def _view(place: Place, part: memoryview) -> Any:
    return memoryview(array_of(place, part)) if place.dtype else part


def _changeable(_: Place, part: memoryview) -> Any:
    return bytearray(part)


def _named(place: Place, part: memoryview) -> Any:
    return Binary(part, place.type)


def _array(place: Place, part: memoryview) -> Any:
    """An array, also from the bytes of a .npy file."""
    if place.dtype:
        return array_of(place, part)
    numpy = imported("numpy")
    if numpy is None:
        raise BinaryError("an array needs numpy here: install it with `pip install numpy`")
    if bytes(part[:6]) != b"\x93NUMPY":
        raise BinaryError(f"must be an array, such as a .npy file; it is {_described(place, part)}")
    import io

    try:
        found = numpy.load(io.BytesIO(part), allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - whatever a broken head makes of numpy
        raise BinaryError(f"must be an array of numbers; the .npy file cannot be used: {error}") from None
    found.flags.writeable = False
    return found


def _described(place: Place, part: memoryview) -> str:
    what = f"an array of {place.dtype}" if place.dtype else place.type
    return what or f"{part.nbytes:,} bytes of an unknown type"


def _table(place: Place, part: memoryview) -> Any:
    if place.dtype or (place.type and place.type != ARROW):
        raise BinaryError(f"must be an Arrow table, such as an .arrow stream; it is {_described(place, part)}")
    return table_of(part)


def _batch(place: Place, part: memoryview) -> Any:
    table = _table(place, part).combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else imported("pyarrow").RecordBatch.from_pylist([], schema=table.schema)


_FORMS: dict[str, Form] = {
    "builtins.memoryview": _view, "builtins.bytearray": _changeable, "snakepit_bridge.Binary": _named,
    "numpy.ndarray": _array, "pyarrow.Table": _table, "pyarrow.RecordBatch": _batch,
}  # fmt: skip
