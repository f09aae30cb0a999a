"""Glob patterns over whole names: `*`, `?`, `[abc]`, `[!abc]`."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def matches(name: str, pattern: str) -> bool:
    return pattern == "*" or compiled(pattern).match(name) is not None


def is_plain(pattern: str) -> bool:
    """It stands for one name."""
    return not any(one in pattern for one in "*?[")
