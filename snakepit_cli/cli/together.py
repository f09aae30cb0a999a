"""Several detached streams tailed at once: a connection and a thread for each, one picture for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli import progress_fields
from snakepit_cli.cli.calls import opened
from snakepit_cli.cli.report import as_pit_error
from snakepit_cli.cli.say import Voice
from snakepit_cli.client import api
from snakepit_cli.client.request import Shared
from snakepit_cli.client.talk import write


class Reader(threading.Thread):
    def __init__(self, shared: Shared, name: str, start: str, seen: Callable[[str, bytes], None]) -> None:
        super().__init__(name=f"tail-{name}", daemon=True)
        self.id = name
        self.error: PitError | None = None
        self._connection = api.Connection(opened(shared))
        self._from: str | int = start if start in {"start", "end"} else int(start)
        self._seen = seen

    def run(self) -> None:
        try:
            for lines in api.tail(self._connection, self.id, self._from):
                self._seen(self.id, lines)
        except Exception as error:  # noqa: BLE001 - told by whoever waits for us
            self.error = as_pit_error(error)
        finally:
            self._connection.close()


def tail(shared: Shared, ids: list[str], start: str, progress: str) -> int:
    """Exit code of the first that failed."""
    lock = threading.Lock()
    pictures = Bars(shared, ids) if progress in {"auto", "bar"} else None

    def seen(name: str, lines: bytes) -> None:
        with lock:
            write(b"".join(b'{"stream":"%b","chunk":%b}\n' % (name.encode(), line) for line in lines.splitlines()))
            if pictures is not None:
                pictures.seen(name, lines)

    readers = [Reader(shared, name, start, seen) for name in ids]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    finally:
        if pictures is not None:
            pictures.end()
    failed = [reader for reader in readers if reader.error is not None]
    for reader in failed:
        Voice(shared).note(f"stream {reader.id}: {reader.error}")
    return 0 if not failed or failed[0].error is None else failed[0].error.exit_code


class Bars:
    """One bar for each stream."""

    def __init__(self, shared: Shared, ids: list[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from snakepit_cli.cli.color import enabled

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        console = Console(stderr=True, no_color=not enabled(2, shared.color), highlight=False)
        self._progress = Progress(*columns, console=console, transient=True, redirect_stdout=False)
        self._tasks: dict[str, Any] = {name: self._progress.add_task(name, total=None) for name in dict.fromkeys(ids)}
        self._chunks = dict.fromkeys(ids, 0)
        self._progress.start()

    def seen(self, name: str, lines: bytes) -> None:
        self._chunks[name] += lines.count(b"\n")
        percent, words = progress_fields.read(lines)
        text = f"{name}: {self._chunks[name]:,} chunks" + (f", {words}" if words else "")
        total = None if percent is None else 100.0
        self._progress.update(self._tasks[name], description=text, total=total, completed=percent or 0.0)

    def end(self) -> None:
        self._progress.stop()
