"""Leaves a line in a file for each time that an item is run."""

from __future__ import annotations

import os

from snakepit_bridge import BaseAdapter, command


class Counted(BaseAdapter):
    def __init__(self) -> None:
        self._file = -1

    @command
    def mark(self, item: int, note: str, fork: bool = False) -> int:
        if self._file < 0:
            self._file = os.open(note, os.O_WRONLY | os.O_APPEND)
        os.write(self._file, b"%d\n" % item)
        if fork:
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
        return item
