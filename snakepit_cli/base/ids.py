"""Names and numbers of what an instance has."""

from __future__ import annotations

MOST_WORKERS = 1024
"""Of one pool."""
MOST_AT_ONCE = 10_000
"""Calls that one worker may run at a time."""
