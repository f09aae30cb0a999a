"""Names and numbers of what an instance has."""

from __future__ import annotations

MOST_WORKERS = 1024
"""Of one pool."""
