"""Handwritten digits: a data set that is small enough to ship, and a network that was trained on it.

The data are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998, UCI Machine
Learning Repository, CC BY 4.0): 1,797 images of 8 by 8 pixels with 17 levels of grey. tools/make_digits.py wrote
`digits.bin` from it and trained `digits.json`, which is right for 97.7 % of the 300 images that it has never seen.
"""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from snakepit_bridge.adapters.showcase.network import INPUTS

__all__ = ["MODEL", "Part", "part"]

_FOLDER = Path(__file__).resolve().parent
MODEL = _FOLDER / "digits.json"
COUNT = 1797
PARTS = {"train": (0, 1297), "validation": (1297, 1497), "test": (1497, 1797)}
"""Where each part begins and ends. The images lie in a random order."""


class Part(NamedTuple):
    images: list[list[float]]
    labels: list[int]


@cache
def part(name: str) -> Part:
    """Images with ink from 0 to 1, and the digits that they show."""
    data = zlib.decompress((_FOLDER / "digits.bin").read_bytes())
    start, end = PARTS[name]
    pixels = data[COUNT:]
    images = [[level / 16 for level in pixels[n * INPUTS : (n + 1) * INPUTS]] for n in range(start, end)]
    return Part(images, list(data[start:end]))
