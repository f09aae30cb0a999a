"""Progress of a stream on stderr: a bar for a person at a terminal, lines for a log, JSON lines for a program.

A chunk that says how far it is moves the bar (see progress_fields.py); other chunks are counted.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from typing import Protocol

from snakepit_cli.base.durations import show
from snakepit_cli.cli.output import live, progress_fields
from snakepit_cli.cli.output.color import enabled
from snakepit_cli.cli.output.messages import err
from snakepit_cli.cli.output.results import converse
from snakepit_cli.cli.output.ticker import Ticker
from snakepit_cli.client.call.request import Request

_EVERY = {"plain": 10.0, "jsonl": 1.0, "bar": 0.1}
_STEP = 10.0
_LONGEST_LINE = 1 << 16


class Picture(Protocol):
    """One way to show it."""

    every: float
    """Seconds between two pictures."""

    def draw(self, chunks: int, percent: float | None, took: float, words: str) -> None: ...

    def end(self) -> None: ...


def kind_of(progress: str) -> str:
    """What `auto` means here."""
    if progress != "auto":
        return progress
    return "bar" if live.usable() else "plain"


def talking(request: Request) -> Callable[[socket.socket, Request], int]:
    """`output.converse` with a picture of it."""
    kind = kind_of(request.progress)

    def talk(sock: socket.socket, request: Request) -> int:
        picture = _PICTURES[kind](request)
        meter = Meter(picture)

        def leave(code: int) -> None:
            picture.end()
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


class Plain:
    every = _EVERY["plain"]

    def __init__(self, request: Request) -> None:
        self._command = request.command

    def draw(self, chunks: int, percent: float | None, took: float, words: str) -> None:
        part = "" if percent is None else f"{percent:.0f} %, "
        text = f"{self._command}: {part}{', '.join([counted(chunks), *_parts(words, took)])}"
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


class Bar:
    """One line, drawn each second even when nothing comes. Leaves nothing behind."""

    every = _EVERY["bar"]

    def __init__(self, request: Request) -> None:
        self._command = request.command
        self._color = enabled(2, request.shared.color)
        self._started = time.monotonic()
        self._state: tuple[int, float | None, str] = (0, None, "")
        self._live = live.Live()
        self._ticker = Ticker(self._show)

    def draw(self, chunks: int, percent: float | None, took: float, words: str) -> None:  # noqa: ARG002 - a clock of its own
        self._state = (chunks, percent, words)
        self._show()

    def end(self) -> None:
        self._ticker.end()
        self._live.end()

    def _show(self) -> None:
        chunks, percent, words = self._state
        share = None if percent is None else percent / 100
        head = f"{self._command}: {counted(chunks)}"
        parts = _parts(words, time.monotonic() - self._started)
        self._live.show([live.Line(head, parts, share, color=self._color)])


def counted(chunks: int) -> str:
    return f"{chunks:,} chunk{'' if chunks == 1 else 's'}"


def _parts(words: str, took: float) -> list[str]:
    return [*([words] if words else []), show(took)]


_PICTURES: dict[str, Callable[[Request], Picture]] = {"plain": Plain, "jsonl": Lines, "bar": Bar, "none": Plain}
