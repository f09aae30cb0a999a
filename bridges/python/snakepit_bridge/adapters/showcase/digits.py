"""Handwritten digits: a data set that is small enough to ship, and a network that was trained on it.

The data are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998, UCI Machine
Learning Repository, CC BY 4.0): 1,797 images of 8 by 8 pixels with 17 levels of grey. tools/make_digits.py wrote
`digits.bin` from it and trained `digits.json`, which is right for 97.7 % of the 300 images that it has never seen.
"""

from __future__ import annotations

import csv
import zlib
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from snakepit_bridge.adapters.showcase.network import INPUTS

__all__ = ["MODEL", "Part", "of_dataset", "part"]

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


_MOST_ROWS = 100_000
_FIFTH = 5


def of_dataset(name: str, dataset: str | None) -> Part:
    """The part `train` or `validation` of a CSV file, or of the shipped data set. Raises OSError, ValueError."""
    if dataset is None:
        return part(name)
    path = Path(dataset)
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory, not a CSV file")
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)[name]


@lru_cache(maxsize=2)
def _read(path: Path, _changed: int, _size: int) -> dict[str, Part]:
    parts = {"train": Part([], []), "validation": Part([], [])}
    rows = 0
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row or (number == 1 and not row[-1].strip().isdigit()):
                continue  # blank, or a header
            rows += 1
            image, label = _parsed(row, f"{path.name}:{number}")
            into = parts["train" if rows % _FIFTH else "validation"]
            into.images.append(image)
            into.labels.append(label)
            if rows > _MOST_ROWS:
                raise ValueError(f"{path.name}: more than {_MOST_ROWS} rows")
    if rows < _FIFTH:
        raise ValueError(f"{path.name}: {rows} images are too few: at least {_FIFTH}")
    return parts


def _parsed(row: list[str], place: str) -> tuple[list[float], int]:
    wanted = f"{place}: {INPUTS} pixels and a digit are expected"
    if len(row) != INPUTS + 1:
        raise ValueError(f"{wanted}, not {len(row)} columns")
    try:
        pixels, label = [float(one) for one in row[:-1]], int(row[-1])
    except ValueError as error:
        raise ValueError(f"{wanted}: {error}") from None
    if not 0 <= label <= 9 or not all(0 <= one <= 16 for one in pixels):
        raise ValueError(f"{wanted}: pixels from 0 to 16, a digit from 0 to 9")
    return [one / 16 for one in pixels], label
