"""Whether the current directory can be told to the server, for what is meant from there."""

from __future__ import annotations

import os

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.reference import DIALECTS, absolute


def current() -> str:
    """Raises PitError when it is gone."""
    try:
        return os.getcwd()
    except OSError:
        raise PitError("usage", "the current directory is gone", hint="change to another directory") from None


def check(adapter: str) -> None:
    """Raises PitError when the reference is relative, and the current directory is gone or its name is not UTF-8."""
    if not _is_relative(adapter):
        return
    try:
        os.getcwd().encode()
    except OSError:
        raise _unusable(adapter, "the current directory is gone") from None
    except UnicodeEncodeError:
        raise _unusable(adapter, "the name of the current directory is not UTF-8") from None


def _unusable(adapter: str, problem: str) -> PitError:
    return PitError("usage", f"{adapter}: {problem}", hint="give an absolute path")


def _is_relative(adapter: str) -> bool:
    if adapter.startswith(tuple(DIALECTS)):
        program = adapter.partition(":")[2].split(maxsplit=1)[:1]
        return "/" in "".join(program) and not os.path.isabs(program[0])
    return absolute(adapter, "/a") != absolute(adapter, "/b")
