"""The place from which adapters written for the original import these names."""

from __future__ import annotations

from snakepit_bridge.base_adapter import StreamChunk, tool

__all__ = ["StreamChunk", "tool"]
