"""Rows for people: aligned text, fitted to the width of a terminal. And documents for programs.

What identifies a row is never shortened. When a terminal is too narrow, paths are shortened from the left, then prose
is wrapped, then the least important columns are left out. The fast path of `status` comes here: nothing heavy is
imported.
"""

from __future__ import annotations

import os

from snakepit_cli.cli.output.color import enabled, paint
from snakepit_cli.cli.output.terminal import clean, clean_line, columns, cut_left, width
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

_STYLES = {
    "open": "32", "idle": "32", "ok": "32", "busy": "36", "starting": "33", "paused": "33", "degraded": "33",
    "draining": "33", "stopping": "33", "failed": "31",
}  # fmt: skip
_HEAD = "1"
_SPACE = "  "
_NARROWEST_PATH = 16
_NARROWEST_PROSE = 18


def document(value: Any) -> None:
    """The one JSON document of a command with --json."""
    import json

    write(json.dumps(value).encode() + b"\n")


def text(value: str) -> None:
    write(clean(value).encode(errors="replace") + b"\n")


def show(
    head: Sequence[str], rows: Sequence[Sequence[str]], shared: Shared, *, least: Sequence[str] = (),
    path: str | None = None, prose: str | None = None,
) -> None:  # fmt: skip
    """`least`: titles of columns that can be left out, the least important first; `path` and `prose`: of those that
    can be narrower. Without a terminal all is shown, one line a row."""
    lines = [[clean_line(cell) for cell in row] for row in (head, *rows)]
    room = columns(1) if os.isatty(1) else None
    if room is not None:
        lines = _fitted(lines, room, least, path, prose)
    widths = _widths(lines, prose if room is not None else None, room)
    on = enabled(1, shared.color)
    out: list[str] = []
    for number, line in enumerate(lines):
        out += [_line(part, widths, head=number == 0, on=on) for part in _wrapped(line, widths)]
    write("".join(out).encode(errors="replace"))


def entries(rows: Sequence[tuple[str, str, str]], shared: Shared) -> None:
    """On a terminal: name and words of each on a line, what it is below it. Whole words, however narrow it is."""
    from textwrap import wrap

    room, on = columns(1), enabled(1, shared.color)
    out: list[str] = []
    for name, words, what in rows:
        head, *rest = wrap(f"{clean_line(name)} {clean_line(words)}", room, subsequent_indent="    ") or [""]
        out += [paint(name, _HEAD, on=on) + head.removeprefix(name), *rest]
        out += wrap(clean_line(what), room, initial_indent="    ", subsequent_indent="    ")
    write("".join(f"{line}\n" for line in out).encode(errors="replace"))


def _fitted(
    lines: list[list[str]], room: int, least: Sequence[str], path: str | None, prose: str | None
) -> list[list[str]]:
    """Without the columns for which there is no room, its paths as long as there is."""
    short = _paths_cut(lines, path, _NARROWEST_PATH)
    for title in least:
        if _total(_widths(short, prose, room)) <= room:
            break
        lines, short = _without(lines, title), _without(short, title)
    if path not in lines[0]:
        return lines
    others = _widths(_without(short, path), prose, room)
    return _paths_cut(lines, path, max(_NARROWEST_PATH, room - _total(others) - len(_SPACE)))


def _without(lines: list[list[str]], title: str) -> list[list[str]]:
    if title not in lines[0]:
        return lines
    at = lines[0].index(title)
    return [line[:at] + line[at + 1 :] for line in lines]


def _paths_cut(lines: list[list[str]], title: str | None, most: int) -> list[list[str]]:
    if title not in lines[0]:
        return lines
    at = lines[0].index(title)
    return [[*line[:at], cut_left(line[at], most), *line[at + 1 :]] for line in lines]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_SPACE) * (len(widths) - 1)


def _widths(lines: list[list[str]], prose: str | None, room: int | None) -> list[int]:
    widths = [max(width(cell) for cell in column) for column in zip(*lines, strict=True)]
    if prose in lines[0] and room is not None:
        at = lines[0].index(prose)
        widths[at] = min(widths[at], max(_NARROWEST_PROSE, room - _total(widths) + widths[at]))
    return widths


def _wrapped(line: list[str], widths: list[int]) -> Iterator[list[str]]:
    """The line, and what of its cells does not fit below it."""
    while True:
        heads, rests = zip(*(_split(cell, most) for cell, most in zip(line, widths, strict=True)), strict=True)
        yield list(heads)
        if not any(rests):
            return
        line = list(rests)


def _split(cell: str, most: int) -> tuple[str, str]:
    """At a space, if there is one."""
    if width(cell) <= most:
        return cell, ""
    end = len(cell)
    while width(cell[:end]) > most:
        end -= 1
    space = cell.rfind(" ", 0, end + 1)
    end = space if space > 0 else end
    return cell[:end], cell[end:].lstrip()


def _line(cells: list[str], widths: list[int], *, head: bool, on: bool) -> str:
    padded = [cell + " " * (most - width(cell)) for cell, most in zip(cells, widths, strict=True)]
    if padded:
        padded[-1] = padded[-1].rstrip()
    shown = [paint(cell, _HEAD if head else _STYLES.get(cell.rstrip(), ""), on=on) for cell in padded]
    return _SPACE.join(shown).rstrip() + "\n"
