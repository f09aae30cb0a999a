"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trials:
    """Counts of a whole run; each trial of ours is followed by one of the peer's."""

    warm: int = 100
    """Whole processes of `exec ping` on a running server."""
    cold: int = 9
    """Whole processes of `exec ping` with nothing running."""
    serial_rounds: int = 20
    serial_calls: int = 250
    """Calls in a round, one after another."""
    concurrent_rounds: int = 9
    concurrent_calls: int = 20_000
    """Calls of ours in a round; the executor gets a fifth, which takes it about as long."""
    streams: int = 5
    stream_chunks: int = 250_000
    first_chunks: int = 100
    memory_chunks: int = 1_000_000
    """Chunks of the stream whose memory is watched."""
    attach: int = 9
    pool_sizes: tuple[int, ...] = (16, 64)
    idle_workers: int = 16
    map_lines: int = 2_000_000
    maps: int = 3
    others: bool = True
    """Whether the peers that take long to start are measured, too."""
    bridge_lines: int = 200_000
    """Small calls through `map` for each language."""
    fair_calls: int = 2_000
    crowd: int = 1_000
    """Clients that are connected at a time."""
    crowd_workers: int = 200
    arrays: int = 21
    """Round trips of each size of array."""
    largest_array: int = 1 << 30
    """Bytes."""
    sessions: int = 100_000
    """In the store, with ten variables each."""


FULL = Trials()
QUICK = Trials(
    warm=20,
    cold=3,
    serial_rounds=5,
    serial_calls=100,
    concurrent_rounds=3,
    concurrent_calls=5_000,
    streams=1,
    first_chunks=20,
    memory_chunks=200_000,
    attach=3,
    map_lines=200_000,
    maps=1,
    bridge_lines=20_000,
    others=False,
    fair_calls=300,
    crowd=200,
    crowd_workers=20,
    arrays=5,
    largest_array=1 << 26,
    sessions=5_000,
)
