"""What each figure must reach, as data. Ratios hold on any machine; the others are meant for two cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.rows import Row


@dataclass(frozen=True)
class Target:
    row: str
    quantity: Literal["ratio", "value"]
    """`ratio` to the row's peer, or the row's own `value` in its unit."""
    comparison: Literal["≤", "<", "≥"]
    limit: float

    def met(self, row: Row) -> bool:
        """Also False when the target is a ratio and the row has no peer."""
        measured = row.ratio if self.quantity == "ratio" else row.value
        if measured is None:
            return False
        return {"≤": measured <= self.limit, "<": measured < self.limit, "≥": measured >= self.limit}[self.comparison]


TARGETS = (
    Target("exec ping, warm", "ratio", "≤", 1.5),
    Target("exec ping, nothing running", "value", "≤", 600),
    Target("round trip, p50", "ratio", "≤", 0.9),
    Target("round trip, p99", "value", "<", 1.2),
    Target("64 calls outstanding", "ratio", "≥", 5.0),
    Target("512 calls outstanding", "ratio", "≥", 10.0),
    Target("512 calls outstanding, library", "ratio", "≥", 10.0),
    Target("map compute, file to file", "ratio", "≥", 1.0),
    Target("map compute", "ratio", "≥", 5.0),
    Target("map compute beside the best", "ratio", "≥", 1.3),
    Target("map compute, pipe to pipe", "ratio", "≥", 1.1),
    Target("exec ping during a map, p99", "value", "≤", 30),
    Target("result of 8 MB", "ratio", "≤", 3.0),
    Target("array of 8 MB", "ratio", "≤", 1.0),
    Target("array of 8 MB as JSON", "ratio", "≥", 20),
    Target("array of 320 KB as JSON", "ratio", "≥", 10),
    Target("array of 80 KB as JSON", "ratio", "≥", 4),
    Target("array of 800 B as JSON", "ratio", "≥", 1),
    Target("memory of the server, array of 1 GB", "value", "≤", 1),
    Target("memory of the client, array of 1 GB", "ratio", "≤", 1.05),
    Target("memory of the worker, array of 1 GB", "ratio", "≤", 1.05),
    Target("idle connection", "value", "≤", 50),
    Target("stream to a file", "value", "≥", 500_000),
    Target("first chunk, slow stream", "value", "≤", 2),
    Target("first chunk, fast stream", "value", "≤", 2),
    Target("stream memory, worker", "ratio", "≤", 1.05),
    Target("stream memory, server", "ratio", "≤", 1.05),
    Target("16 workers attached", "value", "≤", 150),
    Target("16 workers attached, registered", "ratio", "≤", 1.1),
    Target("registry files written by 1,000 calls", "value", "≤", 0),
    Target("idle worker", "value", "≤", 8),
    Target("map, node", "ratio", "≥", 0.9),
    Target("map, ruby", "ratio", "≥", 0.35),
    Target("map, go", "ratio", "≥", 0.9),
    Target("map, jq", "ratio", "≥", 0.5),
    Target("map, node, and processes", "ratio", "≥", 100),
    Target("map, ruby, and processes", "ratio", "≥", 100),
    Target("map, jq, and processes", "ratio", "≥", 100),
    Target("map, r, and processes", "ratio", "≥", 100),
    Target("round trip, node", "ratio", "≤", 1.5),
    Target("round trip, ruby", "ratio", "≤", 1.5),
    Target("round trip, go", "ratio", "≤", 1.5),
    Target("variable, kept", "value", "≤", 2),
    Target("variable, read, p50", "ratio", "≤", 1.3),
    Target("variable, written, p50", "ratio", "≤", 1.3),
    Target("tool of another worker, p50", "ratio", "≤", 2.0),
    Target("map in a session", "ratio", "≥", 0.95),
    Target("map in a session, and the original", "ratio", "≥", 1.0),
    Target("session create, full store", "ratio", "≤", 1.3),
    Target("variable get, full store", "ratio", "≤", 1.3),
    Target("variable list, full store", "ratio", "≤", 1.3),
    Target("call during a sweep, p99", "value", "≤", 20),
    Target("memory of the server, full store", "value", "≤", 100),
    Target("4 workers attached, node", "value", "≤", 1000),
    Target("4 workers attached, ruby", "value", "≤", 800),
    Target("4 workers attached, go", "value", "≤", 100),
)


def target(row: Row) -> Target | None:
    return next((one for one in TARGETS if one.row == row.name), None)
