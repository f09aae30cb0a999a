"""Several detached streams tailed at once: a connection and a thread for each, one picture for all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.connection import opened
from snakepit_cli.cli.output import live, progress_fields
from snakepit_cli.cli.output.color import enabled
from snakepit_cli.cli.output.error_report import as_pit_error
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.progress import counted, kind_of
from snakepit_cli.cli.output.terminal import escape_json
from snakepit_cli.client import api
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Shared

_EVERY = 0.1
"""Seconds between two pictures."""


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
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            self.error = as_pit_error(error)
        finally:
            self._connection.close()


def tail(shared: Shared, ids: list[str], start: str, progress: str) -> int:
    """Exit code of the first that failed."""
    lock = threading.Lock()
    pictures = Bars(shared, ids) if kind_of(progress) == "bar" else None

    def seen(name: str, lines: bytes) -> None:
        with lock:
            text = b"".join(b'{"stream":"%b","chunk":%b}\n' % (name.encode(), line) for line in lines.splitlines())
            with live.aside():
                write(escape_json(text.decode(errors="replace")).encode() if os.isatty(1) else text)
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
        self._color = enabled(2, shared.color)
        self._lines = {name: live.Line(name) for name in ids}
        self._chunks = dict.fromkeys(ids, 0)
        self._drawn = 0.0
        self._live = live.Live()

    def seen(self, name: str, lines: bytes) -> None:
        self._chunks[name] += lines.count(b"\n")
        percent, words = progress_fields.read(lines)
        share = None if percent is None else percent / 100
        head = f"{name}: {counted(self._chunks[name])}"
        self._lines[name] = live.Line(head, [words] if words else [], share, color=self._color)
        if (now := time.monotonic()) - self._drawn >= _EVERY:
            self._drawn = now
            self._live.show(list(self._lines.values()))

    def end(self) -> None:
        self._live.end()
