"""Flow control of a stream: how far its worker may be ahead of the reader of its chunks.

A worker begins with `WINDOW` bytes of credit. Chunks use it up. What has been passed on to a caller that keeps up is
given back in quarters of the window, so that not every chunk costs a message. A worker without credit waits.
"""

from __future__ import annotations

WINDOW = 4 << 20
"""Bytes of chunks that a worker may be ahead of the client's socket."""
_WORTH_A_MESSAGE = WINDOW // 4


class Credit:
    """Of one call."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0
        """Bytes of chunks for which no new credit has been given."""

    def use(self, size: int) -> None:
        self.used += size

    def give(self, size: int) -> None:
        self.used -= size

    def give_all(self) -> int:
        """How many bytes that were."""
        given, self.used = self.used, 0
        return given

    @property
    def is_due(self) -> bool:
        """Whether so much has been used that giving it back is worth a message."""
        return self.used >= _WORTH_A_MESSAGE

    @property
    def exhausted(self) -> bool:
        return self.used > WINDOW
