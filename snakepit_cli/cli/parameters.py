"""How an argument of a command is written in a shell, by the type that its worker tells."""

from __future__ import annotations

import re

_TEXTS = {"", "str", "string", "path", "datetime", "date", "time", "uuid"}
"""Types, of any language, whose values are written as they are."""
_QUOTED = r"'[^']*'|\"[^\"]*\""
_LITERAL = re.compile(rf"Literal\[((?:{_QUOTED})(?:, (?:{_QUOTED}))*)\]$")


def _plain(kind: str) -> str:
    return kind.removesuffix(" | None")


def choices(kind: str) -> list[str]:
    """All values, as they are written, when there are few; none when there are many."""
    if found := _LITERAL.match(_plain(kind)):
        return [text[1:-1] for text in re.findall(_QUOTED, found[1])]
    return ["true", "false"] if _plain(kind) in {"bool", "boolean"} else []


def sign(kind: str) -> str:
    """`=` before text, `:=` before JSON."""
    text = _plain(kind).lower().rpartition(".")[2] in _TEXTS or _LITERAL.match(_plain(kind))
    return "=" if text else ":="
