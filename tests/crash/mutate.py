"""Mutations of bytes and of JSON, and what every fuzzing suite does with a batch of inputs."""

from __future__ import annotations

import copy
import json
import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.crash.oracle import Oracle

SLOW = 1.0
"""Seconds that the answer to one input may take."""
GROWTH = 16 << 20
"""Bytes that memory may grow after the first fifth of the inputs: caches, and what malloc keeps."""
_BYTES = (0, 1, 9, 10, 13, 27, 32, 34, 44, 47, 58, 61, 64, 91, 92, 93, 123, 125, 127, 128, 192, 255)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2.5, -0.0, 1e308, 1e-308, 2**31, 2**63, 2**64, -(2**63), 10**30, "", "0", "nan", "inf",
    "-", "--", "..", "/", "@-", "\\@", "\0", "\n", "\x1b[2J", "ä€𝄞", "\ud800", "x" * 5000, "default", [], {}, [[]],
    {"": {}}, [1, 2, 3], {"a": None},
)  # fmt: skip


def changed(chance: random.Random, data: bytes) -> bytes:
    """One to four changes anywhere."""
    text = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(_CHANGES)(chance, text)
    return bytes(text)


def _flip(chance: random.Random, text: bytearray) -> None:
    if text:
        text[chance.randrange(len(text))] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, text: bytearray) -> None:
    if text:
        text[chance.randrange(len(text))] = chance.choice(_BYTES)


def _insert(chance: random.Random, text: bytearray) -> None:
    at = chance.randint(0, len(text))
    text[at:at] = bytes(chance.choice(_BYTES) for _ in range(chance.choice((1, 1, 2, 9, 300))))


def _delete(chance: random.Random, text: bytearray) -> None:
    at = chance.randint(0, len(text))
    del text[at : at + chance.choice((1, 1, 2, 8, 64))]


def _cut(chance: random.Random, text: bytearray) -> None:
    del text[chance.randint(0, len(text)) :]


def _double(chance: random.Random, text: bytearray) -> None:
    at = chance.randint(0, len(text))
    end = at + chance.choice((1, 4, 16, 200))
    text[at:at] = text[at:end] * chance.choice((1, 1, 2, 30))


def _number(chance: random.Random, text: bytearray) -> None:
    """Something that may be a length gets a value from the edge of what fits."""
    at, size = chance.randint(0, len(text)), chance.choice((1, 2, 3, 4, 8))
    value = chance.choice((0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1))
    text[at : at + size] = value.to_bytes(size, "big")


_CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip, _flip, _set, _insert, _delete, _cut, _double, _number,
)  # fmt: skip


def other(chance: random.Random, document: Any) -> Any:
    """A JSON value of the same shape but for one or two members."""
    document = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 2))):
        place, key = chance.choice(list(_places(document)) or [(None, None)])
        if place is None:
            return chance.choice(VALUES)
        action = chance.random()
        if action < 0.7:
            place[key] = copy.deepcopy(chance.choice(VALUES))
        elif action < 0.85:
            del place[key]
        elif isinstance(place, dict):
            place[str(chance.choice(VALUES))] = place.pop(key)
    return document


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def text_of(document: Any) -> bytes:
    """JSON, with numbers that JSON does not know among it."""
    return json.dumps(document).encode()


class Inputs:
    """The inputs of one universe, by number; looks at the memory of a server while it takes them."""

    def __init__(self, oracle: Oracle, memory: Callable[[], int]) -> None:
        self._oracle = oracle
        self._memory = memory
        self._first = oracle.inputs // 5

    def __iter__(self) -> Iterator[tuple[int, random.Random]]:
        before = 0
        for number in range(self._oracle.inputs):
            if number == self._first:
                before = self._memory()
            yield number, random.Random(f"{self._oracle.seed}/{number}")
            self._oracle.count("inputs")
        grown = self._memory() - before
        self._oracle.figures["KiB grown"] = grown / 1024
        if grown > GROWTH:
            self._oracle.fail(f"memory has grown by {grown >> 20} MiB in {self._oracle.inputs} inputs")


def memory_of(pid: int | str = "self") -> int:
    """Resident bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
