"""References to adapters: `pkg.mod:Class`, `path/file.py:Class`, `node:./file.js`, `exec:PROGRAM …`.

The name of a language alone is the adapter that comes with its bridge.
"""

from __future__ import annotations

import os

LANGUAGES = ("node", "ruby", "go")
"""Beginning of a reference to a file in one of them, with a colon."""
DIALECTS = {"exec:": "lines", "exec-json:": "json"}
"""Beginning of a reference to a program → dialect."""


def absolute(adapter: str, folder: str) -> str:
    """The reference with its file name made absolute: a relative one is meant from `folder`."""
    if adapter.startswith(tuple(DIALECTS)):
        return adapter  # a command line: the program runs there
    language, colon, rest = adapter.partition(":")
    if colon and language in LANGUAGES:
        return f"{language}:{os.path.normpath(os.path.join(folder, os.path.expanduser(rest)))}"
    reference = rest if colon and language == "python" else adapter
    path = reference.partition(".py:")[0] + ".py" if ".py:" in reference else reference
    if path.endswith(".py") and not os.path.isabs(path):
        return os.path.normpath(os.path.join(folder, os.path.expanduser(path))) + reference[len(path) :]
    return reference


def is_located(adapter: str) -> bool:
    """Whether it names a file or a program, and so depends on the folder that it is meant from."""
    language, colon, rest = adapter.partition(":")
    reference = rest if colon and language == "python" else adapter
    is_named = f"{language}:" in DIALECTS or language in LANGUAGES
    return (colon == ":" and is_named) or ".py:" in reference or reference.endswith(".py")
