"""The pipes to and from a program that talks by lines."""

from __future__ import annotations

import asyncio
import os

from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.server.workers.stdio import Talker

PIPE_BYTES = 1 << 16
"""What a pipe holds. Python allocates the whole buffer for each read, above 128 KiB of fresh pages each time."""


class _Sink(asyncio.Protocol):
    """The pipe to a program."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker

    def pause_writing(self) -> None:
        self._talker.flows(full=True)

    def resume_writing(self) -> None:
        self._talker.flows(full=False)


async def converse(talker: Talker, ends: Ends) -> None:
    """Speaks to a program from now on."""
    loop = asyncio.get_running_loop()
    # A program that closes its input is not over: what counts is the end of its output.
    talker.sink, _ = await loop.connect_write_pipe(lambda: _Sink(talker), os.fdopen(ends.sink, "wb", 0))
    source, _ = await loop.connect_read_pipe(lambda: talker, os.fdopen(ends.source, "rb", 0))
    source.max_size = PIPE_BYTES  # type: ignore[attr-defined]
