"""Whether to colour: --color, then NO_COLOR, then CLICOLOR_FORCE and FORCE_COLOR, then the terminal."""

from __future__ import annotations

import os

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"


def enabled(descriptor: int, choice: str = "auto") -> bool:
    if choice != "auto":
        return choice == "always"
    env = os.environ
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "0") not in {"", "0"} for name in ("CLICOLOR_FORCE", "FORCE_COLOR")):
        return True
    if env.get("CLICOLOR") == "0" or env.get("TERM") == "dumb":
        return False
    return os.isatty(descriptor)


def paint(text: str, code: str, *, on: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if on and code and text else text
