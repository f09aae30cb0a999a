"""A client of its own process: calls with long arguments and results, until a file says that it is enough."""

from __future__ import annotations

import array
import sys
import time
from pathlib import Path
from typing import Any

from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.client import values
from snakepit_cli.client.connect import find
from snakepit_cli.client.many.calls import Calls
from tests.crash import load

LENGTH = 250_000
"""Numbers of 8 bytes: 2 MB."""
_TOGETHER = 4


def _check(first: int, result: Any) -> None:
    """Raises ValueError."""
    found = memoryview(result).cast("B").cast("d")
    if len(found) != LENGTH or found[0] != 2 * first or set(found[1:]) != {first}:
        raise ValueError(f"an answer has {len(found)} numbers, {found[0]} and {found[1]}, not {first}")


def _one_call(enough: Path) -> None:
    """Raises PitError, ValueError when an answer is wrong."""
    first = 0
    with load.connection() as one:
        while not enough.exists():
            first += 1
            data = array.array("d", [first]) * LENGTH
            _check(first, one.call_value("double_first", {"data": data}, timeout=20.0))


def _many_calls(enough: Path) -> None:
    """The same with some calls outstanding on one connection."""
    first = 0
    with Calls(find.connect("default", start=False)) as calls:
        while not enough.exists():
            first += _TOGETHER
            numbers = range(first, first + _TOGETHER)
            data = [values.encode({"data": array.array("d", [one]) * LENGTH}) for one in numbers]
            pending = [calls.submit("double_first", b"".join(one), timeout=20.0, binary=True) for one in data]
            for number, call in zip(numbers, pending, strict=True):
                _check(number, values.decode(call.result()))


def main() -> None:
    enough = Path(sys.argv[1])
    go_on = {"one call": _one_call, "many calls": _many_calls}[sys.argv[2]]
    while not enough.exists():
        try:
            go_on(enough)
        except PitError as error:
            if error.kind not in KINDS or error.kind == "internal":
                raise
            time.sleep(0.005)


if __name__ == "__main__":
    main()
