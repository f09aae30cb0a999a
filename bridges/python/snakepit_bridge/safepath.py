"""Started by snakepit, Python does not look for modules in the current directory, where one could shadow ours."""

from __future__ import annotations

import os
import sys

__all__ = ["forget_safe_path"]


def forget_safe_path() -> None:
    """Programs that handlers start are not meant: they look where they always did."""
    if os.environ.pop("SNAKEPIT_SAFE_PATH", None) is not None:
        os.environ.pop("PYTHONSAFEPATH", None)
        if sys.version_info < (3, 11) and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]  # it does not know the variable
