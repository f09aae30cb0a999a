"""Progress of a stream on stderr: a bar for a person at a terminal, lines for a log, JSON lines for a program.

A chunk that says how far it is moves the bar (see progress_fields.py); other chunks are counted.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from snakepit_cli.base.durations import show
from snakepit_cli.cli.output import progress_fields
from snakepit_cli.cli.output.color import enabled
from snakepit_cli.cli.output.messages import err
from snakepit_cli.cli.output.results import converse
from snakepit_cli.client.call.request import Request, Shared

if TYPE_CHECKING:
    import rich.progress

_EVERY = {"plain": 10.0, "jsonl": 1.0, "bar": 0.1}
_STEP = 10.0
_LONGEST_LINE = 1 << 16


class Picture(Protocol):
    """One way to show it."""

    every: float
    """Seconds between two pictures."""

    def draw(self, chunks: int, percent: float | None, took: float, words: str) -> None: ...

    def end(self) -> None: ...


def talking(request: Request) -> Callable[[socket.socket, Request], int]:
    """`output.converse` with a picture of it."""
    kind = request.progress
    if kind == "auto":
        kind = "bar" if os.isatty(2) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI") else "plain"

    def talk(sock: socket.socket, request: Request) -> int:
        picture = _PICTURES[kind](request)
        meter = Meter(picture)

        def leave(code: int) -> None:
            picture.end()  # the cursor is hidden while a bar is drawn
            os._exit(code)

        try:
            return converse(sock, request, meter.seen, leave)
        finally:
            meter.end()

    return talk


class Meter:
    """Counts, and decides when a new picture is due."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._started = time.monotonic()
        self._drawn = self._started
        self._at = 0.0
        self._chunks = 0
        self._shown = -1
        self._percent: float | None = None
        self._words = ""
        picture.draw(0, None, 0.0, "")

    def seen(self, data: bytes) -> None:
        self._chunks += data.count(b"\n")
        now = time.monotonic()
        due = now - self._drawn >= self._picture.every
        if due or len(data) < _LONGEST_LINE:
            self._percent, words = progress_fields.read(data)
            self._words = words or self._words
        if due or (self._percent or 0.0) - self._at >= _STEP:
            self._draw(now)

    def end(self) -> None:
        if self._shown != self._chunks:
            self._draw(time.monotonic())
        self._picture.end()

    def _draw(self, now: float) -> None:
        self._drawn, self._at, self._shown = now, self._percent or 0.0, self._chunks
        self._picture.draw(self._chunks, self._percent, now - self._started, self._words)


def _text(command: str, chunks: int, percent: float | None, words: str) -> str:
    part = "" if percent is None else f"{percent:.0f} %, "
    return f"{command}: {part}{chunks} chunk{'' if chunks == 1 else 's'}" + (f", {words}" if words else "")


class Plain:
    every = _EVERY["plain"]

    def __init__(self, request: Request) -> None:
        self._command = request.command

    def draw(self, chunks: int, percent: float | None, took: float, words: str) -> None:
        text = f"{_text(self._command, chunks, percent, words)}, {show(took)}"
        err(text if took else f"{self._command}: started")

    def end(self) -> None:
        pass


class Lines:
    every = _EVERY["jsonl"]

    def __init__(self, request: Request) -> None:
        self._command = request.command

    def draw(self, chunks: int, percent: float | None, took: float, words: str) -> None:
        facts = {"command": self._command, "chunks": chunks, "percent": percent, "seconds": round(took, 3)}
        if words:
            facts["message"] = words
        err(json.dumps(facts))

    def end(self) -> None:
        pass


def bars(shared: Shared) -> rich.progress.Progress:
    """A picture of several lines. What it belongs to may be written to the same terminal: it leaves nothing behind."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True, no_color=not enabled(2, shared.color), highlight=False)
    return Progress(
        *columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )  # fmt: skip


class Bar:
    every = _EVERY["bar"]

    def __init__(self, request: Request) -> None:
        self._progress = bars(request.shared)
        self._command = request.command
        self._task = self._progress.add_task(self._command, total=None)
        self._progress.start()

    def draw(self, chunks: int, percent: float | None, took: float, words: str) -> None:  # noqa: ARG002 - a column
        text = _text(self._command, chunks, percent, words)
        total = None if percent is None else 100.0
        self._progress.update(self._task, description=text, total=total, completed=percent or 0.0, refresh=True)

    def end(self) -> None:
        self._progress.stop()


_PICTURES: dict[str, Callable[[Request], Picture]] = {"plain": Plain, "jsonl": Lines, "bar": Bar, "none": Plain}
