"""A plain class: its methods that take a SessionContext are the commands.

snakepit up ml --adapter examples/original/ml_adapter.py
snakepit exec process_embeddings batch_size:=4 --pool ml --session s
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

from snakepit_bridge import SessionContext

WIDTH = 512


class MLAdapter:
    """Keeps batches of embeddings in the session."""

    def process_embeddings(self, ctx: SessionContext, batch_size: int) -> dict[str, Any]:
        """Makes a batch, stores it, and reads it again."""
        ctx.register_variable("batch_embeddings", "embedding", [self._embedding(row) for row in range(batch_size)])
        stored = ctx["batch_embeddings"]
        return {"shape": [len(stored), len(stored[0])]}

    def nearest(self, ctx: SessionContext, row: int) -> dict[str, Any]:
        """The row of the stored batch that is most like this one, besides itself."""
        batch = ctx["batch_embeddings"]
        wanted = batch[row]
        others = [(sum(map(float.__mul__, wanted, one)), number) for number, one in enumerate(batch) if number != row]
        return {"row": max(others)[1]}

    def _embedding(self, row: int) -> list[float]:
        """Numbers between -1 and 1 that the row alone decides."""
        data = hashlib.shake_128(str(row).encode()).digest(2 * WIDTH)
        return [number / 32768 for number in struct.unpack(f"<{WIDTH}h", data)]
