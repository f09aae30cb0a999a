"""The ends of the pipes over which a program is spoken to by lines.

Pipes, not a socket: a line that is written to a socket takes most of a KB of its buffer, and half again as long.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ends:
    """One side's two descriptors. Whoever has them closes them."""

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
