"""python -m tests.crash.writer FILE LOG: writes variables without end, and logs what a power cut must not undo.

The product's store, without the server. A commit that is not in the file itself yet may be undone, in order;
one that was followed by a checkpoint may not: that is what `synchronous=NORMAL` promises.
"""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Callable
from pathlib import Path

from snakepit_cli.server.store import sessions, variables
from snakepit_cli.server.store.database import Database
from snakepit_cli.server.store.touches import Touches
from snakepit_cli.server.store.work import Work
from snakepit_cli.settings.schema import SessionSettings

_BETWEEN = 200
"""Writes from one checkpoint to the next."""


def main() -> None:
    outcomes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    database = Database(Path(sys.argv[1]), outcomes.put)
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    limits, touches = SessionSettings(), Touches()
    number = 0
    while True:
        for _ in range(_BETWEEN):
            number += 1
            value = b"%d" % number

            def write(db: object, value: bytes = value) -> None:
                work = Work(db, 1.0, limits, touches, "client")  # type: ignore[arg-type]
                writer = variables.Writer(work, sessions.need(work, "s"))
                writer.set("x", value)
                writer.close()

            database.submit(write, _told)
            outcomes.get()()
        database.close()  # the last connection to close makes a checkpoint
        os.write(log, b"%d\n" % number)


def _told(_: object, error: Exception | None) -> None:
    if error is not None:
        raise error


if __name__ == "__main__":
    main()
