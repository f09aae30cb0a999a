"""Commands for what is done with a running pool."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any


class Tired:
    def __init__(self) -> None:
        self.ballast = b""

    def execute_who(self) -> int:
        return os.getpid()

    def execute_nap(self, seconds: float = 0.0) -> int:
        time.sleep(seconds)
        return os.getpid()

    def execute_wait(self, note: str) -> None:
        """Until there is a file of this name."""
        while not os.path.exists(note):
            time.sleep(0.01)

    def execute_eat(self, megabytes: int) -> int:
        self.ballast = b"x" * (megabytes << 20)
        return os.getpid()

    def execute_once(self, note: str) -> str:
        """Kills its worker the first time: `note` is the name of a file that tells."""
        if not os.path.exists(note):
            with open(note, "w"):
                pass
            os.kill(os.getpid(), 9)
        return "done"


class Many:
    """All handlers are async: a worker may run several at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def execute_count(self, seconds: float = 0.2) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(seconds)
        self.now -= 1
        return self.most
