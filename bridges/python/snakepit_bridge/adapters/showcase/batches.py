"""Commands over many items, one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from snakepit_bridge.adapters.base import command

__all__ = ["BatchCommands"]


class BatchCommands:
    """process_item, batch_process."""

    @command
    def process_item(self, item: Any) -> dict[str, Any]:
        """Says what an item is: its type, and how long it is.

        Args:
            item: Any JSON.
        """
        size = len(item) if isinstance(item, (str, list, dict)) else None
        return {"item": item, "type": _json_type(item), "length": size}

    @command
    def batch_process(self, items: list[Any], delay_ms: int = 0) -> Iterator[dict[str, Any]]:
        """Streams what process_item says of each item, and how far it is.

        Args:
            items: Any JSON.
            delay_ms: Milliseconds to wait for before each item.
        """
        if not 0 <= delay_ms <= 3_600_000:
            raise ValueError(f"delay_ms must be from 0 to 3600000, not {delay_ms}")
        return self._processed(items, delay_ms / 1000)

    def _processed(self, items: list[Any], pause: float) -> Iterator[dict[str, Any]]:
        total = len(items)
        for number, item in enumerate(items, 1):
            time.sleep(pause)
            yield {
                **self.process_item(item),
                "progress": round(100.0 * number / total, 2),
                "is_final": number == total,
                "total_processed": number,
            }
        if not items:
            yield {"progress": 100.0, "is_final": True, "total_processed": 0}


def _json_type(item: Any) -> str:
    if item is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(item)]
