"""Long arguments of `exec` and `stream` in shared memory: the server does not copy them, and no message holds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from snakepit_cli.client.argument_segments import WAIT_SECONDS, ArgumentSegments
from snakepit_cli.wire import front

if TYPE_CHECKING:
    from _socket import socket

_QUERY_ID = 2
_LATE_SECONDS = 10.0


def lent(sock: socket, arguments: bytes, timeout: float | None) -> str | None:
    """The header member that refers to them. None when they have to be sent as bytes, or the server does not answer.

    The server removes the segment when the connection ends. `timeout`: seconds that the call may take.
    """

    def reserve(count: int, *, wait: float) -> dict[str, Any] | None:
        sock.settimeout(wait + _LATE_SECONDS)
        try:
            found: dict[str, Any] | None = _asked(sock, {"op": "segments", "bytes": count, "wait": wait})
        finally:
            sock.settimeout(None)
        return found

    segments = ArgumentSegments(reserve, lambda _: None)
    try:
        put = segments.put([arguments], len(arguments), timeout or WAIT_SECONDS)
    except OSError:
        return None
    return None if put is None else f'"args_ref":{json.dumps(put[1])}'


def _asked(sock: socket, query: dict[str, Any]) -> Any:
    """What the server answers; None when it refuses. Raises OSError."""
    sock.sendall(front.frame(front.QUERY, _QUERY_ID, json.dumps(query).encode()))
    head = _read(sock, front.HEADER)
    body = _read(sock, int.from_bytes(head[1:5], "big") - 4)
    return json.loads(body) if head[0] == front.RESULT else None


def _read(sock: socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data
