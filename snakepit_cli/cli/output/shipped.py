"""What is generated from the tree of verbs and shipped: completion scripts, and the help of each verb.

The fast path comes here: the tree of verbs, which takes long to import, is not.
"""

from __future__ import annotations

import os

from snakepit_cli.client.call.call import write

HELP = "help.txt"
WIDTH = 78
"""Columns of its lines. On a narrower terminal the other path wraps them anew."""
MARK = "\f"
"""Begins the line with the name of a verb."""
_SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> int | None:
    """Writes the completion script of a shell; None when there is none of this name."""
    data = _read(f"snakepit.{shell}") if shell in _SHELLS else None
    if data is not None:
        write(data)
    return None if data is None else 0


def help_of(words: list[str]) -> int | None:
    """Writes the help of a verb, such as `server start`; None when it is not known, or does not fit the terminal."""
    if os.isatty(1) and os.get_terminal_size(1).columns <= WIDTH:
        return None
    _, found, rest = (_read(HELP) or b"").partition(os.fsencode(f"{MARK}{' '.join(words)}\n"))
    if not found:
        return None
    write(rest.partition(MARK.encode())[0])
    return 0


def verb_of(words: list[str]) -> str:
    """The verb that a command line begins with, such as `server start`; empty when it begins with none."""
    known = _read(HELP) or b""
    tries = (" ".join(words[:length]) for length in (2, 1))
    return next((one for one in tries if one and os.fsencode(f"{MARK}{one}\n") in known), "")


def _read(name: str) -> bytes | None:
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for folder in (f"{package}/completions", f"{os.path.dirname(package)}/completions"):
        try:
            with open(f"{folder}/{name}", "rb") as file:
                return file.read()
        except OSError:
            pass
    return None
