"""What a call brings to stdout: its result, or its chunks one per line. Light: the fast path comes here, too."""

from __future__ import annotations

import os
from _socket import socket
from collections.abc import Callable

from snakepit_cli.client.request import Request
from snakepit_cli.client.talk import Talk, write


def converse(
    sock: socket,
    request: Request,
    seen: Callable[[bytes], None] | None = None,
    leave: Callable[[int], object] = os._exit,
) -> int:
    """Exit code. `seen` is told each block of chunks after it was written. Raises what `Talk.run` raises, PitError."""

    def chunks(data: bytes) -> None:
        write(_part(request, data) if request.field is not None or request.raw else data)
        if seen is not None:
            seen(data)

    body = Talk(sock, request, chunks, leave).run()
    if body is None:
        return 130
    if not request.stream:
        write(_result(request, body))
    return 0


def _result(request: Request, body: bytes) -> bytes:
    if request.field is not None or request.raw:
        return _part(request, body)
    if not request.json and os.isatty(1):
        from snakepit_cli.cli.pretty import pretty

        return pretty(body, request.shared.color)
    return body + b"\n"


def _part(request: Request, data: bytes) -> bytes:
    from snakepit_cli.cli.pick import lines

    return lines(data, request.field, raw=request.raw)
