"""The adapter of the default pool: something to try every feature with, and to measure against."""

from __future__ import annotations

from snakepit_bridge.adapters.showcase.adapter import ShowcaseAdapter

__all__ = ["ShowcaseAdapter"]
