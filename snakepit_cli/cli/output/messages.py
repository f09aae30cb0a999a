"""Messages for the user, on stderr. After a failed write no more are written."""

from __future__ import annotations

import os

from snakepit_cli.cli.output import live
from snakepit_cli.cli.output.color import DIM, enabled, paint
from snakepit_cli.cli.output.terminal import clean
from snakepit_cli.client.call.request import Shared


def err(text: str, style: str = "", *, color: bool = False, styled: int | None = None) -> None:
    """With a line break, and without control characters. With `color` the first `styled` characters have `style`."""
    head, rest = (text, "") if styled is None else (text[:styled], text[styled:])
    data = (paint(clean(head), style, on=color) + clean(rest) + "\n").encode(errors="replace")
    with live.aside():
        try:
            while data:
                data = data[os.write(2, data) :]
        except OSError:
            pass  # the exit code reports the failure


class Voice:
    """Notes about what happened; none with --quiet."""

    def __init__(self, shared: Shared) -> None:
        self._quiet = shared.quiet
        self._color = enabled(2, shared.color)

    def note(self, text: str) -> None:
        if not self._quiet:
            err(text)

    def next(self, text: str) -> None:
        """What one would do now."""
        if not self._quiet:
            err(f"next: {text}", DIM, color=self._color)

    def hint(self, text: str) -> None:
        """What may be the cause."""
        if not self._quiet:
            err(f"hint: {text}", DIM, color=self._color)

    def starting(self) -> None:
        if not self._quiet and os.isatty(2):
            err("starting snakepit server…", DIM, color=self._color)
