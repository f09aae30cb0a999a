"""Rows for people: aligned text, with colour and fitted to the width on a terminal. And documents for programs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from typing import Any

from snakepit_cli.cli.output.color import enabled
from snakepit_cli.cli.output.messages import clean
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Shared

STYLES = {
    "open": "green", "idle": "green", "busy": "cyan", "starting": "yellow", "degraded": "yellow",
    "draining": "yellow", "stopping": "yellow", "failed": "red",
}  # fmt: skip
_SPACE = "  "


def document(value: Any) -> None:
    """The one JSON document of a command with --json."""
    write(json.dumps(value).encode() + b"\n")


def text(value: str) -> None:
    write(clean(value).encode(errors="replace") + b"\n")


def show(head: Sequence[str], rows: Sequence[Sequence[str]], shared: Shared, *, wide: int = -1) -> None:
    """`wide`: the column that gives way when the terminal is narrow."""
    if os.isatty(1):
        write(_picture(head, rows, shared, wide))
        return
    lines = [[clean(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        text(_SPACE.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _picture(head: Sequence[str], rows: Sequence[Sequence[str]], shared: Shared, wide: int) -> bytes:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = os.get_terminal_size(1).columns or 80
    color = enabled(1, shared.color)
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, no_color=not color, highlight=False,
        color_system="standard" if color else None,
    )  # fmt: skip
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    wide %= len(head)
    for number, title in enumerate(head):
        grid.add_column(title, overflow="fold" if number == wide else "ellipsis", no_wrap=number != wide)
    for row in rows:
        grid.add_row(*(Text(clean(cell), style=STYLES.get(cell, "")) for cell in row))
    console.print(grid)
    return out.getvalue().encode(errors="replace")
