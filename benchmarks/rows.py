"""One line of the results: the figure of snakepit, that of a peer, and their ratio."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """The figure to compare with: of the same work, in the unit of the row."""

    name: str
    value: float


@dataclass(frozen=True)
class Row:
    name: str
    """Unique; targets are found by it."""
    value: float
    unit: str
    trials: int
    """How many measurements the figure was drawn from."""
    peer: Peer | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's. Below 1 is better for times and memory, above 1 for rates."""
        return None if self.peer is None else self.value / self.peer.value
