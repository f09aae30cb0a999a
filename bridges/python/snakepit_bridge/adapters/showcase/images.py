"""Images from files and arrays, as the network wants them: 8 by 8, ink from 0 to 1. Reads PGM and PNG by itself."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

__all__ = ["from_array", "read", "rows"]

SIDE = 8
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Of each colour type of PNG, without palettes."""
Rows = list[list[float]]


def read(path: Path) -> list[float]:
    """Raises OSError; ValueError when it is no image that is understood."""
    return _shrink(rows(path))


def rows(path: Path) -> Rows:
    """All pixels, from 0 to 1. Raises OSError; ValueError when it is no image that is understood."""
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    data = path.read_bytes()
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png(data)
    if data[:2] in (b"P2", b"P5"):
        return _pgm(data)
    raise ValueError(f"{path.name}: neither PNG nor PGM")


def from_array(array: Any) -> list[float]:
    """From 64 numbers or from rows of numbers; the largest one that is possible is 1, 16 or 255. Raises ValueError."""
    if not isinstance(array, list) or not array:
        raise ValueError("an image is a list of 64 numbers, or of rows of numbers")
    flat = not isinstance(array[0], list)
    if flat and len(array) != SIDE * SIDE:
        raise ValueError(f"a flat image has {SIDE * SIDE} numbers, not {len(array)}")
    lines = [array[at : at + SIDE] for at in range(0, len(array), SIDE)] if flat else array
    try:
        numbers = [[float(value) for value in row] for row in lines]
    except (TypeError, ValueError):
        raise ValueError("the pixels of an image are numbers") from None
    if len({len(row) for row in numbers}) != 1 or not numbers[0]:
        raise ValueError("the rows of an image have the same length")
    top = max(map(max, numbers))
    scale = 1.0 if top <= 1 else 16.0 if top <= 16 else 255.0
    return _fit([[min(1.0, max(0.0, value / scale)) for value in row] for row in numbers])


def _shrink(picture: Rows) -> list[float]:
    """Of a picture: dark ink on light paper is turned round."""
    pixels = [value for row in picture for value in row]
    if sum(pixels) > len(pixels) / 2:
        picture = [[1.0 - value for value in row] for row in picture]
    return _fit(picture)


def _fit(picture: Rows) -> list[float]:
    """The mean of each of 8 by 8 areas."""
    height, width = len(picture), len(picture[0])
    out = []
    for y in range(SIDE):
        lines = picture[y * height // SIDE : max((y + 1) * height // SIDE, y * height // SIDE + 1)]
        for x in range(SIDE):
            left = x * width // SIDE
            area = [line[at] for line in lines for at in range(left, max((x + 1) * width // SIDE, left + 1))]
            out.append(sum(area) / len(area))
    return out


def _pgm(data: bytes) -> Rows:
    fields: list[bytes] = []
    at = 0
    while len(fields) < 4:
        line_end = data.find(b"\n", at)
        end = line_end if line_end >= 0 else len(data)
        if at >= len(data):
            raise ValueError("a PGM file that ends too soon")
        for word in data[at:end].split(b"#")[0].split():
            if len(fields) < 4:
                fields.append(word)
        at = end + 1
    kind, width, height, top = fields[0], *(int(word) for word in fields[1:])
    if not (0 < width <= 1 << 14 and 0 < height <= 1 << 14 and 0 < top < 1 << 16):
        raise ValueError("a PGM file of an impossible size")
    size = 2 if top > 255 else 1
    if kind == b"P2":
        pixels = [int(word) for word in data[at:].split()]
    else:
        body = data[at : at + width * height * size]
        pixels = list(body) if size == 1 else list(struct.unpack(f">{len(body) // 2}H", body))
    if len(pixels) < width * height:
        raise ValueError("a PGM file that ends too soon")
    return [[pixels[y * width + x] / top for x in range(width)] for y in range(height)]


def _png(data: bytes) -> Rows:
    at, packed, head = 8, b"", b""
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IHDR":
            head = data[at + 8 : at + 8 + size]
        elif kind == b"IDAT":
            packed += data[at + 8 : at + 8 + size]
        at += size + 12
    if len(head) != 13:
        raise ValueError("a PNG file without a header")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", head)
    if depth != 8 or colour not in _CHANNELS or interlace or not (0 < width <= 1 << 14 and 0 < height <= 1 << 14):
        raise ValueError("only PNG files with 8 bits, without palette and interlacing are understood")
    channels = _CHANNELS[colour]
    try:
        raw = zlib.decompress(packed)
    except zlib.error as error:
        raise ValueError(f"a damaged PNG file: {error}") from None
    if len(raw) < height * (width * channels + 1):
        raise ValueError("a PNG file that ends too soon")
    return [_grey(line, channels) for line in _unfiltered(raw, width * channels, channels, height)]


def _grey(line: bytearray, channels: int) -> list[float]:
    ink = 3 if channels > 2 else 1
    return [sum(line[at : at + ink]) / (255.0 * ink) for at in range(0, len(line), channels)]


def _unfiltered(raw: bytes, stride: int, channels: int, height: int) -> list[bytearray]:
    lines: list[bytearray] = []
    above = bytearray(stride)
    for y in range(height):
        at = y * (stride + 1)
        kind, line = raw[at], bytearray(raw[at + 1 : at + 1 + stride])
        for x in range(stride):
            left = line[x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            line[x] = (line[x] + _predicted(kind, left, above[x], corner)) & 255
        lines.append(line)
        above = line
    return lines


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        guess = left + up - corner
        near = {abs(guess - left): left, abs(guess - up): up, abs(guess - corner): corner}
        order = (abs(guess - left), abs(guess - up), abs(guess - corner))
        if order[0] <= order[1] and order[0] <= order[2]:
            return left
        return up if order[1] <= order[2] else near[order[2]]
    return (0, left, up, (left + up) // 2)[kind] if kind < 4 else 0
