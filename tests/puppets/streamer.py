"""Streams that do as they are told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any


class Streamer:
    def execute_count(self, n: int) -> Iterator[Any]:
        for number in range(n):
            yield {"n": number}

    def execute_much(self, n: int) -> Iterator[Any]:
        for number in range(n):
            yield {"n": number, "padding": "x" * 40}

    def execute_gated(self, gate: str) -> Iterator[Any]:
        """Goes on when there is a file of this name."""
        yield "before"
        while not os.path.exists(gate):
            time.sleep(0.01)
        yield "after"

    def execute_breaks(self) -> Iterator[Any]:
        yield 1
        raise ValueError("enough")
