"""Pipes to and from a program that reads and writes lines.

Pipes, not a socket: a line in a socket takes most of a KB of its buffer, and 1.5 times as long to write.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ends:
    """One side's two descriptors. Their owner closes them."""

    source: int
    """To read from."""
    sink: int
    """To write to."""

    def close(self) -> None:
        os.close(self.source)
        os.close(self.sink)


def pair() -> tuple[Ends, Ends]:
    """Two crossed pipes: (server's ends, program's ends). The caller closes both. Raises OSError."""
    to_program, from_us = os.pipe()
    try:
        to_us, from_program = os.pipe()
    except OSError:
        os.close(to_program)
        os.close(from_us)
        raise
    return Ends(to_us, from_us), Ends(to_program, from_program)
