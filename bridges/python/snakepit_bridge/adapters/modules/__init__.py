"""The adapter `python`: calls functions of modules that the pool names, and keeps objects between calls."""

from __future__ import annotations

from snakepit_bridge.adapters.modules.adapter import ModulesAdapter

__all__ = ["ModulesAdapter"]
