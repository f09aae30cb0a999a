"""Blocks of `map` that are not in a file, such as those of a pipe or a table: workers read them in our segments."""

from __future__ import annotations

from collections.abc import Callable

from snakepit_cli.client.argument_segments import ABOVE, ArgumentSegments, Segment
from snakepit_cli.client.map.blocks import LARGEST_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Loans:
    """The lent blocks of one connection. Each block under way has a segment, which is used again afterwards."""

    def __init__(self, ask: Callable[[], None]) -> None:
        """`ask` asks the server for our share of shared memory; `granted` is told its answer. Nobody waits for that:
        what comes before it is sent as bytes, and a short run asks for nothing."""
        self._ask = ask
        self._asked = False
        self._facts: dict[str, Any] | None = None
        self._segments = ArgumentSegments(self._share, lambda _: None, smallest=LARGEST_BYTES)
        self._lent: dict[int, Segment] = {}
        """The segment of each block under way, by the number of its request."""

    def granted(self, facts: dict[str, Any] | None) -> None:
        """None when there is no shared memory."""
        self._facts = facts

    def _share(self, count: int, *, wait: float) -> dict[str, Any] | None:  # noqa: ARG002 — there will be no more
        return self._facts

    def lend(self, request: int, lines: bytes) -> dict[str, Any] | None:
        """The reference to them; None when they are to be sent as bytes: they are short, or there is no room."""
        if len(lines) < ABOVE:
            return None
        if not self._asked:
            self._asked = True
            self._ask()
        if self._facts is None or (put := self._segments.put([lines], len(lines))) is None:
            return None
        self._lent[request], reference = put
        return reference

    def over(self, request: int, *, well: bool) -> None:
        """The request has ended. When it has not ended well a worker may read the block yet: nothing else is written
        there."""
        if (segment := self._lent.pop(request, None)) is not None:
            (self._segments.done if well else self._segments.drop)(segment)

    def close(self) -> None:
        for request in list(self._lent):
            self.over(request, well=False)
        self._segments.close()
