"""A question to the server, asked by the fast path: `client.api` asks all of them, but takes longer to import."""

from __future__ import annotations

from _json import make_scanner

from snakepit_cli.client.call.request import CALL_ID, Shared
from snakepit_cli.wire import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

_SECONDS = 30.0


class Query:
    """What `Talk` needs of it. `body` is its JSON."""

    timeout: float | None = _SECONDS
    stream = False
    parting = "interrupted"

    def __init__(self, shared: Shared, body: bytes) -> None:
        self.shared = shared
        self._body = body

    def lent(self, _: socket) -> str | None:
        """Nothing of it is in shared memory."""
        return None

    def frame(self, _: str | None = None) -> bytes:
        return front.frame(front.QUERY, CALL_ID, self._body)


class _Context:
    """What the C scanner asks for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 — the scanner's own shape


def decode(answer: bytes) -> Any:
    """The value of an answer of our own server, without importing `json`."""
    return make_scanner(_Context())(answer.decode(), 0)[0]  # type: ignore[arg-type]  # as in arguments.py
