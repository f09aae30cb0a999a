"""What a docstring says about a command: its first paragraph, and Google-style `Args:` lines."""

from __future__ import annotations

import inspect
import re
from typing import Any

__all__ = ["parse"]

_SECTION = re.compile(r"^(args|arguments|parameters|params):\s*$", re.IGNORECASE)
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


def parse(function: Any) -> tuple[str, dict[str, str]]:
    """The summary and the parameters' summaries; empty where nothing is said."""
    text = inspect.getdoc(function)
    if not text:
        return "", {}
    lines = text.expandtabs().splitlines()
    paragraph: list[str] = []
    for line in lines:
        if not line.strip() or _SECTION.match(line):
            break
        paragraph.append(line.strip())
    return " ".join(paragraph), _parameters(lines)


def _parameters(lines: list[str]) -> dict[str, str]:
    start = next((number for number, line in enumerate(lines) if _SECTION.match(line)), None)
    if start is None:
        return {}
    found: dict[str, str] = {}
    current = ""
    indent = 0
    for line in lines[start + 1 :]:
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            break  # the next section
        entry = _ENTRY.match(line.strip())
        if entry and (not indent or depth <= indent):
            indent = indent or depth
            current = entry.group(1)
            found[current] = entry.group(2).strip()
        elif current:
            found[current] = f"{found[current]} {line.strip()}".strip()
    return found
