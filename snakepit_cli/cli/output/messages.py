"""What is said to a person: on stderr, in plain words, and never again when nobody can read it."""

from __future__ import annotations

import os

from snakepit_cli.cli.output.color import enabled, paint
from snakepit_cli.cli.output.terminal import clean
from snakepit_cli.client.call.request import Shared


def err(text: str) -> None:
    """As it is, with a line break."""
    data = (text + "\n").encode(errors="replace")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # nobody listens; the exit code says the same


class Voice:
    """Notes about what happened; none with --quiet."""

    def __init__(self, shared: Shared) -> None:
        self._quiet = shared.quiet
        self._color = enabled(2, shared.color)

    def note(self, text: str) -> None:
        if not self._quiet:
            err(clean(text))

    def next(self, text: str) -> None:
        """What one would do now."""
        if not self._quiet:
            err(paint(f"next: {text}", "2", on=self._color))

    def starting(self) -> None:
        if not self._quiet and os.isatty(2):
            err(paint("starting snakepit server…", "2", on=self._color))
