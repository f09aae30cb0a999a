"""Lines at the bottom of a terminal that are replaced as a whole: progress, and what a verb is waiting for.

Everything else that goes to the terminal meanwhile is written inside of `aside`: the lines are erased before it and
drawn again after it, so none of them stays in the scrollback.
"""

from __future__ import annotations

import os
from _thread import RLock  # `threading` takes longer to import than an error takes to print

from snakepit_cli.cli.output.color import CYAN, DIM, paint
from snakepit_cli.cli.output.terminal import clean_line, columns, cut, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_lock = RLock()
_shown: list[Live] = []
"""At most one."""
_asides: list[None] = []
"""How many are open: they may be nested."""
_BAR = 20
_LEAST_TEXT = 24
"""Columns that are left for words beside a bar; a narrower terminal shows no bar."""


def usable() -> bool:
    """Whether stderr is a terminal on which lines can be replaced."""
    return os.isatty(2) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def active() -> bool:
    """Whether any line is shown, after which `^C` stands when it was typed."""
    return bool(_shown)


class aside:  # noqa: N801 - used like a function
    """While it is open, the lines are not on the terminal."""

    def __enter__(self) -> None:
        _lock.acquire()
        _asides.append(None)
        for one in _shown:
            one.erase()

    def __exit__(self, *_: object) -> None:
        _asides.pop()
        for one in _shown:
            one.draw()
        _lock.release()


class Live:
    """What is shown, one text a line. Safe in any thread, and in a signal handler."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._widths: list[int] = []
        self._drawn = False
        _shown[:] = [self]

    def show(self, lines: Sequence[Line]) -> None:
        """Nothing after `end`."""
        with _lock:
            if self not in _shown:
                return
            self.erase()
            fitted = [line.fitted(columns(2) - 1) for line in lines]
            self._lines = [text for text, _ in fitted]
            self._widths = [taken for _, taken in fitted]
            self.draw()

    def end(self) -> None:
        """Erases it for good."""
        with _lock:
            self.erase()
            if self in _shown:
                _shown.remove(self)

    def draw(self) -> None:
        if self._lines and not self._drawn and not _asides:
            self._drawn = True
            _write("\n".join(self._lines))

    def erase(self) -> None:
        """Row by row: tmux keeps in its scrollback what is erased with the whole screen.

        A terminal that has become narrower has wrapped the lines.
        """
        if self._drawn:
            self._drawn = False
            room = columns(2)
            rows = sum(max(1, -(-taken // room)) for taken in self._widths)
            _write("\r\x1b[2K" + "\x1b[A\x1b[2K" * (rows - 1))


class Line:
    """A bar, and words of which the less important ones are left out when there is no room."""

    def __init__(
        self, head: str, parts: Sequence[str] = (), share: float | None = None, *, color: bool = False
    ) -> None:
        """`parts` are in the order of their importance; `share` is from 0 to 1."""
        self._head = clean_line(head)
        self._parts = [clean_line(part) for part in parts]
        self._share = share
        self._color = color

    def fitted(self, room: int) -> tuple[str, int]:
        """The line in at most `room` columns, and how many it takes."""
        bar = "" if self._share is None or room < _BAR + 7 + _LEAST_TEXT else f"{'━' * _BAR} 100 %  "
        parts = list(self._parts)
        while parts and width(", ".join([self._head, *parts])) > room - len(bar):
            parts.pop()
        words = cut(", ".join([self._head, *parts]), room - len(bar))
        return (self._bar() if bar else "") + words, len(bar) + width(words)

    def _bar(self) -> str:
        share = min(1.0, max(0.0, self._share or 0.0))
        full = round(_BAR * share)
        done, rest = "━" * full, "╌" * (_BAR - full)
        return f"{paint(done, CYAN, on=self._color)}{paint(rest, DIM, on=self._color)} {100 * share:3.0f} %  "


def _write(text: str) -> None:
    data = text.encode(errors="replace")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # it is only shown
