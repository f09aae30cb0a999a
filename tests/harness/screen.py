"""What a terminal shows of what was written to it: the lines that have scrolled away, and those on the screen."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([^\x1b])", re.DOTALL)


def rendered(data: bytes, columns: int = 80) -> list[str]:
    """Knows what snakepit uses: line breaks, wrapping, colours, `up` and `erase the line`. Raises for all else."""
    lines = [""]
    row = column = 0
    for code, name, text in _TOKEN.findall(data.decode()):
        if text == "\n":
            row += 1
        elif text == "\r":
            column = 0
        elif text:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + 1 :]
            column += 1
        elif name == "A":
            row = max(0, row - int(code or 1))
        elif name == "K" and code == "2":
            lines[row] = ""
        elif name != "m":
            raise ValueError(f"an unknown control sequence: ESC [{code}{name}")
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]
