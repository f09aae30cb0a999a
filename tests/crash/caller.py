"""A client of its own process: calls with long arguments and results, until a file says that it is enough."""

from __future__ import annotations

import array
import sys
import time
from pathlib import Path

from snakepit_cli.base.errors import KINDS, PitError
from tests.crash import load

LENGTH = 250_000
"""Numbers of 8 bytes: 2 MB."""


def _call(enough: Path) -> int:
    """How many answers came before that or an error. Raises PitError, ValueError when one is wrong."""
    first = 0
    with load.connection() as one:
        while not enough.exists():
            first += 1
            data = array.array("d", [first]) * LENGTH
            found = memoryview(one.call_value("double_first", {"data": data}, timeout=20.0)).cast("B").cast("d")
            if len(found) != LENGTH or found[0] != 2 * first or set(found[1:]) != {first}:
                raise ValueError(f"an answer has {len(found)} numbers, {found[0]} and {found[1]}, not {first}")
    return first


def main() -> None:
    enough = Path(sys.argv[1])
    while not enough.exists():
        try:
            _call(enough)
        except PitError as error:
            if error.kind not in KINDS or error.kind == "internal":
                raise
            time.sleep(0.005)


if __name__ == "__main__":
    main()
