"""`.npy` files, without numpy: one array each. Only arrays that travel as they are: numbers, C order, little-endian."""

from __future__ import annotations

import math

from snakepit_cli.wire.binary import DTYPES

MAGIC = b"\x93NUMPY"
_LONGEST_HEAD = 10_000
_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_LETTERS = {name: letter for letter, name in _KINDS.items()}


class NotUsableError(ValueError):
    """The file does not hold an array that can be sent; the text says why."""


def parse(data: bytes) -> tuple[str, list[int], memoryview]:
    """Type, shape and elements of the array. Raises NotUsableError."""
    if data[:6] != MAGIC or len(data) < 12:
        raise NotUsableError("it is not a .npy file")
    start, width = (10, 2) if data[6] == 1 else (12, 4)
    size = int.from_bytes(data[8 : 8 + width], "little")
    end = start + size
    head = _head(data[start:end]) if size <= _LONGEST_HEAD and end <= len(data) else None
    if head is None:
        raise NotUsableError("the head of the .npy file is damaged")
    dtype, fortran, shape = head
    if fortran and len(shape) > 1:
        raise NotUsableError("the array is in Fortran order; save numpy.ascontiguousarray(array)")
    wanted = math.prod(shape) * DTYPES[dtype][0]
    if wanted != len(data) - end:
        raise NotUsableError(f"the array has {wanted:,} bytes; in the file are {len(data) - end:,}")
    return dtype, shape, memoryview(data)[end:]


def _head(text: bytes) -> tuple[str, bool, list[int]] | None:
    from ast import literal_eval

    try:
        found = literal_eval(text.decode("latin-1").strip())
        letters, fortran, shape = found["descr"], found["fortran_order"], list(found["shape"])
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        return None
    if type(fortran) is not bool or not all(type(one) is int and one >= 0 for one in shape):
        return None
    return _type(letters), fortran, shape


def _type(letters: object) -> str:
    """The name of a type such as `<f8`. Raises NotUsableError."""
    if isinstance(letters, str) and letters[2:].isdecimal() and len(letters) <= 4:
        bits = "" if letters[1] == "b" else str(8 * int(letters[2:]))
        name = f"{_KINDS.get(letters[1], '')}{bits}"
        if name in DTYPES and (letters[0] in "<|" or DTYPES[name][0] == 1):
            return name
        if name in DTYPES:
            raise NotUsableError("the array is big-endian; save array.astype(array.dtype.newbyteorder('<'))")
    raise NotUsableError("the array must hold numbers or booleans")


def head(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The bytes before the elements in a .npy file."""
    size = DTYPES[dtype][0]
    letters = f"{'|' if size == 1 else '<'}{_LETTERS[dtype.rstrip('0123456789')]}{size}"
    inner = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{letters}', 'fortran_order': False, 'shape': ({inner}), }}".encode()
    # The elements begin at a multiple of 64.
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return MAGIC + b"\1\0" + len(text).to_bytes(2, "little") + text
