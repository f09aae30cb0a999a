"""Files as binary arguments: `name@=FILE` of the command line."""

from __future__ import annotations

import os
from _json import encode_basestring_ascii as quote
from collections.abc import Callable, Mapping

from snakepit_cli.client.call import npy
from snakepit_cli.client.call.arguments import ArgumentsError, check_json, read_stdin, source_bytes, text_of
from snakepit_cli.wire.binary import KEY, SMALL, BinaryError, pack
from snakepit_cli.wire.parts import ARROW

__all__ = ["ARROW", "TYPES", "Part", "message", "read", "suffix", "variable"]

TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
    ".tif": "image/tiff", ".tiff": "image/tiff", ".bmp": "image/bmp", ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".mp4": "video/mp4", ".txt": "text/plain",
    ".csv": "text/csv", ".html": "text/html", ".xml": "application/xml", ".zip": "application/zip",
    ".gz": "application/gzip", ".arrow": ARROW, ".arrows": ARROW,
}  # fmt: skip
"""Content types by the end of a file's name. Ours, so that they are the same on every machine."""

_HINT = "a file of another name is sent as it is, as bytes"


class Part:
    """A binary argument."""

    __slots__ = ("_facts", "data")

    def __init__(self, data: bytes | memoryview, facts: str) -> None:
        """`facts`: further members of the object that stands for it."""
        self.data = data
        self._facts = facts

    def place(self, number: int) -> str:
        return f'{{"{KEY}":{number}{self._facts}}}'


def suffix(name: str) -> str:
    """The end of a file's name, in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def read(source: str, key: str, stdin: Callable[[], bytes]) -> str | Part:
    """The argument that a file is: an array (.npy), JSON text (.json) or bytes; `-` is standard input.

    Raises ArgumentsError.
    """
    if not source:
        raise ArgumentsError("usage", f"{key}@= needs the name of a file, or `-` for standard input")
    data = source_bytes(source, key, stdin)
    end = suffix(source)
    if end == ".json":
        return check_json(text_of(data, source, key), key if source == "-" else f"{key}: {source}")
    if end == ".npy" or (source == "-" and data[:6] == npy.MAGIC):
        try:
            dtype, shape, elements = npy.parse(data)
        except npy.NotUsableError as error:
            raise ArgumentsError("invalid_arguments", f"{key}: {source}: {error}", _HINT) from None
        return Part(elements, f',"dtype":{quote(dtype)},"shape":[{",".join(map(str, shape))}]')
    return Part(data, f',"type":{quote(TYPES[end])}' if end in TYPES else "")


def variable(source: str, name: str, kind: str | None, *, parts: bool = False) -> str:
    """The JSON text of an array as a variable of this type holds it: a tensor, lists of numbers or a number.

    Without a type, an array of more than one dimension is a tensor. With `parts`, a long one is PartText. Raises
    ArgumentsError.
    """
    from snakepit_cli.client.call.parted import nested, numbers

    data = source_bytes(source, name, read_stdin)
    try:
        dtype, shape, elements = npy.parse(data)
        if parts and len(elements) > SMALL and dtype.startswith(("int", "uint", "float")):
            return _part_text(dtype, shape, elements, tensor=kind == "tensor" or (kind is None and len(shape) > 1))
        found = numbers(dtype, elements)
    except npy.NotUsableError as error:
        raise ArgumentsError("invalid_arguments", f"{name}: {source}: {error}") from None
    if found is None:
        raise ArgumentsError("invalid_value", f"{name}: {source}: a variable cannot hold complex numbers")
    tensor = kind == "tensor" or (kind is None and len(shape) > 1)
    import json

    try:
        value = {"shape": shape, "data": found} if tensor else nested(found, shape)
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise ArgumentsError("invalid_value", f"{name}: {source}: a variable cannot hold NaN or an infinity") from None


def _part_text(dtype: str, shape: list[int], elements: memoryview, *, tensor: bool) -> str:
    from snakepit_cli.client.json_text import PartText

    sizes = ",".join(map(str, shape))
    place = f'{{"{KEY}":0,"dtype":{quote(dtype)},"shape":[{sizes}]}}'
    text = PartText(f'{{"shape":[{sizes}],"data":{place}}}' if tensor else place)
    text.part = elements
    return text


def message(found: Mapping[str, str | Part]) -> bytes:
    """These arguments, of which the names are JSON texts, too, as a message with parts. Raises ArgumentsError."""
    parts: list[bytes | memoryview] = []
    members = []
    for key, value in found.items():
        if isinstance(value, Part):
            members.append(f"{key}:{value.place(len(parts))}")
            parts.append(value.data)
        else:
            members.append(f"{key}:{value}")
    try:
        return b"".join(pack(f"{{{','.join(members)}}}".encode(), parts))
    except (BinaryError, UnicodeEncodeError) as error:
        raise ArgumentsError("invalid_arguments", f"the arguments: {error}") from None
