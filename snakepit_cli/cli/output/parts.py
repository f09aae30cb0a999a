"""Results and chunks with binary parts, and results that go into a file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.output.json_path import NoSuchPartError, Picker, pick
from snakepit_cli.client.call import npy, output_file
from snakepit_cli.client.call.call import write, write_line
from snakepit_cli.client.call.files import ARROW, TYPES, suffix
from snakepit_cli.client.call.parted import Part, Parted, as_json
from snakepit_cli.client.call.request import Request

if TYPE_CHECKING:
    from snakepit_cli.client.call.state_query import StateQuery


def show(request: Request, body: bytes | memoryview) -> None:
    """A message with parts, on standard output. Raises PitError."""
    show_parted(request, Parted(body))


def show_parted(request: Request | StateQuery, result: Parted) -> None:
    """As `show`."""
    text = _chosen(result, request)
    part = result.only(text)
    if part is not None and request.raw:
        write_raw(part, "the result", "send it to a file with > or --output-file")
    elif os.isatty(1) and not request.json:
        _show_to_a_person(request, result.replaced(text, lambda one: _label(one, request.nan)))
    else:
        write_line(_line(result.replaced(text, lambda one: as_json(one, request.nan)), request))


def show_chunk(request: Request, body: bytes | memoryview, picker: Picker | None) -> None:
    """A chunk with parts, on standard output: a line, or with --raw the bytes of its only part. Raises PitError."""
    chunk = _chunk(body)
    chosen = chunk.text.encode() if picker is None else picker.part(lambda: _chosen(chunk, request).encode())
    if chosen is None:
        return
    text = chosen.decode()
    part = chunk.only(text)
    if part is not None and request.raw:
        write_raw(part, "a chunk", "send the chunks to a file with >")
        return
    form = _label if os.isatty(1) and not request.json else as_json
    write_line(_line(chunk.replaced(text, lambda one: form(one, request.nan)), request))


def json_of(body: bytes | memoryview) -> bytes:
    """The JSON of a chunk with parts, as a line; objects stand for the parts. Raises PitError."""
    return _chunk(body).text.encode() + b"\n"


def _chunk(body: bytes | memoryview) -> Parted:
    """Without the line break after it."""
    return Parted(memoryview(body)[:-1], "a chunk")


def write_raw(part: Part, what: str, hint: str) -> None:
    if os.isatty(1):
        raise PitError("output_failed", f"{what} is binary ({part.title()}): a terminal cannot show it", hint=hint)
    write(part.data)


def chosen(result: Parted | None, text: str, request: Request | StateQuery) -> str:
    """The part of a JSON text that --field names. `result`: whose text it is, when it has parts."""
    if result is not None:
        return _chosen(result, request)
    return text if request.field is None else pick(text, request.field, raw=False).decode(errors="replace")


def _chosen(result: Parted, request: Request | StateQuery) -> str:
    """The part of the JSON text that --field names; in what is printed of an array, when the text itself has none."""
    if request.field is None:
        return result.text
    try:
        return pick(result.text, request.field, raw=False).decode(errors="replace")
    except NoSuchPartError:
        printed = result.replaced(result.text, lambda one: as_json(one, request.nan))
        return pick(printed, request.field, raw=False).decode(errors="replace")


def _label(part: Part, nan: str | None) -> str:
    """A part on a terminal: a small one as it is printed elsewhere, unless it is raw bytes."""
    if part.small and (part.place.dtype or not part.place.type):
        return as_json(part, nan)
    return json.dumps(f"<{part.title()}, {_size(part.data.nbytes)}>")


def _size(count: int) -> str:
    for unit, width in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= width:
            return f"{count / width:.1f} {unit}"
    return f"{count} bytes"


def _show_to_a_person(request: Request | StateQuery, text: str) -> None:
    from snakepit_cli.cli.output.pretty import pretty

    if request.field is not None or request.raw:
        write_line(_line(text, request))
    else:
        write(pretty(text.encode(errors="replace"), request.shared.color))


def _line(text: str, request: Request | StateQuery) -> bytes | memoryview:
    from snakepit_cli.cli.output.results import shown

    data = pick(text, None, raw=True) if request.raw else text.encode(errors="replace")
    return shown(data, request)


# ----------------------------------------------------------------------------------------------- into a file


def save(request: Request, body: bytes | memoryview) -> None:
    """Writes the result into `request.output_file`, in the form that its name says. Raises PitError, ArgumentsError."""
    result = Parted(body) if body[:1] == b"\0" else None
    text = chosen(result, "" if result is not None else bytes(body).decode(errors="replace"), request)
    write_file(request, result, text, None if result is None else result.only(text))


def write_file(request: Request | StateQuery, result: Parted | None, text: str, part: Part | None) -> None:
    """Writes `text`, a piece of the result, of which `part` is the only part. Raises PitError, ArgumentsError."""
    name = request.output_file or ""
    end = suffix(name)
    if end == ".json":
        printed = text if result is None else result.replaced(text, lambda one: as_json(one, request.nan))
        output_file.write(name, [printed.encode(errors="replace"), b"\n"])
    elif part is None:
        raise _mismatch(name, "JSON", "write it into a .json file", parts=result is not None)
    else:
        output_file.write(name, _content(name, end, part))


def _content(name: str, end: str, part: Part) -> list[bytes | memoryview]:
    """What a file of this name holds. Raises PitError when the part is something else."""
    place = part.place
    if end == ".npy":
        if place.dtype:
            return [npy.head(place.dtype, place.shape), part.data]
        if bytes(part.data[:6]) != npy.MAGIC:
            raise _mismatch(name, part.title(), "only an array goes into a .npy file")
    elif end != ".bin":
        if place.dtype:
            raise _mismatch(name, part.title(), "write it into a .npy file, or its bytes alone into a .bin file")
        wanted = TYPES.get(end)
        if wanted is not None and place.type != wanted and (place.type or wanted == ARROW):
            raise _mismatch(name, part.title(), "write it into a file of that type, or into a .bin file")
    return [part.data]


def _mismatch(name: str, what: str, hint: str, *, parts: bool = False) -> PitError:
    if parts:
        hint = "choose one of its parts with --field, or write all of it into a .json file"
    return PitError("invalid_arguments", f"--output-file {name}: the result is {what}", hint=hint)
