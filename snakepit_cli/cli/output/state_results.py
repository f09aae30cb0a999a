"""What a query about variables or sessions brings to stdout. Light: the fast path comes here, too."""

from __future__ import annotations

from _socket import socket

from snakepit_cli.cli.output.results import show
from snakepit_cli.client.call.call import RefusedError, Talk
from snakepit_cli.client.call.state_query import StateQuery


def perform(sock: socket, query: StateQuery) -> int:
    """Exit code. Raises what `Talk.run` raises, PitError."""
    try:
        answer = Talk(sock, query).run()
    except RefusedError as refusal:
        if query.asks and _kind(refusal) == "session_not_found":
            return 1
        raise
    if answer is None:
        return 130
    if query.part is not None:
        from snakepit_cli.cli.output.json_path import pick

        answer = pick(bytes(answer).decode(errors="replace"), query.part, raw=False)
    if not query.silent:
        show(query, answer)
    return 0


def _kind(refusal: RefusedError) -> str:
    from snakepit_cli.cli.output.error_report import as_pit_error

    return as_pit_error(refusal).kind
