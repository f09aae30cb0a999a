"""A JSON text for a person at a terminal: indented and coloured, its numbers as they were received."""

from __future__ import annotations

import json
import re

from snakepit_cli.cli.output.color import enabled, paint
from snakepit_cli.cli.output.terminal import escape_json

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]|[^\s\[\]{},:"]+')
"""Never goes back, so a text that is not JSON takes no more time than one that is."""
_KEY, _TEXT, _NUMBER, _WORD = "1;34", "32", "36", "35"


def pretty(body: bytes, color: str) -> bytes:
    """With a line break at the end."""
    on = enabled(1, color)
    out: list[str] = []
    depth = 0
    tokens = _TOKEN.findall(body.decode(errors="replace"))
    following = [*tokens[1:], ""]
    for lexeme, after in zip(tokens, following, strict=True):
        if lexeme in {"{", "["}:
            depth += 1
            out.append(lexeme if after in {"}", "]"} else f"{lexeme}\n{'  ' * depth}")
        elif lexeme in {"}", "]"}:
            depth -= 1
            out.append(lexeme if out[-1][-1:] in {"{", "["} else f"\n{'  ' * depth}{lexeme}")
        elif lexeme == ",":
            out.append(f",\n{'  ' * depth}")
        elif lexeme == ":":
            out.append(": ")
        else:
            out.append(paint(_readable(lexeme), _kind(lexeme, after), on=on))
    return ("".join(out) + "\n").encode(errors="replace")


def _kind(token: str, after: str) -> str:
    if token[0] == '"':
        return _KEY if after == ":" else _TEXT
    return _WORD if token[0] in "tfnNI" else _NUMBER


def _readable(token: str) -> str:
    """Letters instead of their escapes, and escapes instead of what a terminal could take for a command."""
    if "\\u" not in token:
        return escape_json(token)
    try:
        text = json.loads(token)
    except ValueError:
        return escape_json(token)
    shown = json.dumps(text, ensure_ascii=False)
    return shown if shown.isprintable() else escape_json(token)
