"""Reading a detached stream as if it were one's own."""

from __future__ import annotations

import json

from snakepit_cli.client.call.request import CALL_ID, Request, Shared
from snakepit_cli.wire import front


class Tail(Request):
    """Reading a stream: answered with chunks, like a stream itself. Leaving it does it no harm."""

    __slots__ = ("_start",)

    parting = "left it running (`snakepit cancel ID` ends it)"

    def __init__(self, shared: Shared, name: str, start: str, *, field: str | None, raw: bool, progress: str) -> None:
        super().__init__(shared, name, [], stream=True, field=field, raw=raw, progress=progress)
        self._start = start

    def frame(self, _: str | None = None) -> bytes:
        start: str | int = self._start if self._start in {"start", "end"} else int(self._start)
        return front.frame(front.QUERY, CALL_ID, json.dumps({"op": "tail", "id": self.command, "from": start}).encode())
