"""What reaches a terminal: text without commands to it, and how many columns it takes."""

from __future__ import annotations

import os

_MARKS = 16
"""Characters that are examined for each column."""
_CONTROLS = [*range(32), *range(127, 160)]
_BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""They reorder what stands around them, so that a line reads differently from what it says."""
_HARMLESS = {code: "\ufffd" for code in (*_CONTROLS, *_BIDI) if chr(code) not in "\n\t"}
_ESCAPED = {code: f"\\u{code:04x}" for code in _HARMLESS}


def clean(text: str) -> str:
    """Without control characters, which a terminal takes for commands; line breaks and tabs stay."""
    return text.replace("\r\n", "\n").translate(_HARMLESS)


def clean_line(text: str) -> str:
    """Makes a text harmless to show on one line: no control character, line break or tab."""
    return clean(text).replace("\n", " ").replace("\t", " ")


def escape_json(text: str) -> str:
    """JSON with these characters as escapes: the same value, harmless to show."""
    return text.translate(_ESCAPED)


def columns(descriptor: int) -> int:
    """Width of the terminal; 80 when it does not know."""
    try:
        return os.get_terminal_size(descriptor).columns or 80
    except OSError:
        return 80


def width(text: str) -> int:
    """Columns that the text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    from unicodedata import combining, east_asian_width

    return 0 if combining(character) else 1 + (east_asian_width(character) in "WF")


def cut(text: str, most: int) -> str:
    """Cuts the text to a number of columns, its end replaced by an ellipsis."""
    few = text[: _MARKS * most]  # combining marks take no column, but no real text has more of them
    taken, end = 0, 0
    for at, character in enumerate(few, 1):
        taken += _columns_of(character)
        end = at if taken < most else end
        if taken > most:
            break
    return text if taken <= most and few == text else f"{few[:end]}…"


def cut_left(text: str, most: int) -> str:
    """Cuts a path to a number of columns, its beginning replaced by an ellipsis: the end says more."""
    if width(text) <= most:
        return text
    while text and width(text) > most - 1:
        text = text[1:]
    slash = text.find("/")
    return f"…{text[slash:] if 0 <= slash < len(text) - 1 else text}"
