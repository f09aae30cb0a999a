"""A query that is answered with chunks for a long time, among other requests on its connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.error_frames import error_of
from snakepit_cli.wire import front

if TYPE_CHECKING:
    from snakepit_cli.client.api import Connection

MOST_KEPT = 10_000
"""Frames about one followed query that are kept during other requests."""


class Following:
    """The blocks of chunks of a query that `Connection.follow` has sent, as they come. Raises PitError.

    When too many came during other requests on the connection, the query is given up: then it raises `history_lost`.
    """

    def __init__(self, connection: Connection, request: int) -> None:
        self._connection = connection
        self._request = request
        self._ended = False
        self.result: Any = None
        """What the query was answered with at its end; None before that."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        connection, request = self._connection, self._request
        if request not in connection.kept:
            self._ended = True
            raise PitError("history_lost", f"more than {MOST_KEPT:,} blocks came while they were not read")
        connection.sock.settimeout(None)
        kind = front.NOTE
        while kind == front.NOTE:
            try:
                kind, body = connection.next_about(request)
            except PitError:
                self._end()
                raise
        if kind == front.CHUNKS:
            return body
        self._end()
        if kind == front.ERROR:
            raise error_of(body)
        self.result = json.loads(body)
        raise StopIteration

    def _end(self) -> None:
        self._ended = True
        self._connection.kept.pop(self._request, None)

    def close(self) -> None:
        """Gives it up."""
        if not self._ended:
            self._end()
            self._connection.cancel(self._request)

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
