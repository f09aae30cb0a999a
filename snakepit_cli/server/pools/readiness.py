"""Waits until a pool has reached a state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from snakepit_cli.base.errors import PitError
from snakepit_cli.core.snapshot import Snapshot
from snakepit_cli.server.calls import error_mapping

Reached = Callable[[Snapshot], bool]
Late = Callable[[Snapshot, float], PitError]
"""What to raise when a state has not been reached within some seconds."""
_SERVES = frozenset({"open", "paused", "closed"})


def not_ready(seen: Snapshot, seconds: float) -> PitError:
    """The workers of a pool took too long to start."""
    ready = f"{seen.ready} of {seen.size} workers of pool {seen.name} got ready within {seconds:g} s"
    return PitError("startup_timeout", ready, pool=seen.name)


class Readiness:
    """`look` takes a snapshot; `changed` is called when another one may differ."""

    def __init__(self, look: Callable[[], Snapshot]) -> None:
        self._look = look
        self._event = asyncio.Event()

    def changed(self) -> None:
        self._event.set()

    async def complete(self, seconds: float) -> None:
        """All workers are attached. Raises PitError as `until`."""
        await self.until(lambda seen: seen.state in _SERVES and seen.ready >= seen.size, seconds)

    async def some(self, seconds: float) -> None:
        """A worker is attached. Raises PitError as `until`."""
        await self.until(lambda seen: seen.ready > 0, seconds)

    async def until(self, reached: Reached, seconds: float, late: Late = not_ready) -> None:
        """Raises PitError when the pool gives up or is stopped, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while not reached(seen := self._look()):
            if seen.reason is not None:
                raise error_mapping.of_core(seen.reason, seen.name)
            if seen.state in {"draining", "drained"}:
                raise PitError("pool_unavailable", f"pool {seen.name} is being stopped")
            self._event.clear()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._event.wait()
            except TimeoutError:
                raise late(seen, seconds) from None
