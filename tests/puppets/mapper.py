"""Commands for bulk work, some of which end their worker."""

from __future__ import annotations

import os
import time
from typing import Any


class Mapper:
    def execute_same(self, item: Any) -> Any:
        return item

    def execute_touchy(self, item: Any) -> Any:
        """Dies of one kind of item."""
        if item == "die":
            os.kill(os.getpid(), 9)
        return item

    def execute_once(self, item: str) -> str:
        """Dies of an item that it sees for the first time: `item` is the name of a note."""
        if not os.path.exists(item):
            with open(item, "w"):
                pass
            os.kill(os.getpid(), 9)
        return item

    def execute_slow(self, item: Any, seconds: float = 0.02) -> Any:
        time.sleep(seconds)
        return item

    def execute_note(self, item: int, folder: str) -> int:
        """Leaves a mark for each time that it is run for an item."""
        with open(os.path.join(folder, str(item)), "a") as file:
            file.write("x")
        time.sleep(0.005)
        return item

    def execute_needs(self, item: str, folder: str) -> str:
        with open(os.path.join(folder, item)):
            return item
