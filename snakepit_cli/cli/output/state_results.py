"""What a query about variables or sessions brings to stdout. Light: the fast path comes here, too."""

from __future__ import annotations

import os
from _socket import socket

from snakepit_cli.client.call.call import RefusedError, Talk, is_message, write_line
from snakepit_cli.client.call.state_query import StateQuery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from snakepit_cli.client.call.call import Result


def perform(sock: socket, query: StateQuery) -> int:
    """Exit code. Raises what `Talk.run` raises, PitError."""
    if query.output_file is not None:
        from snakepit_cli.cli.output import variables

        variables.check(query)
    try:
        answer = Talk(sock, query).run()
    except RefusedError as refusal:
        if query.asks and _kind(refusal) == "session_not_found":
            return 1
        raise
    if answer is None:
        return 130
    if query.output_file is not None or is_message(answer):
        from snakepit_cli.cli.output import variables

        variables.show(query, answer)
        return 0
    if query.part is not None:
        from snakepit_cli.client.call.arguments import members

        answer = members(bytes(answer).decode(errors="replace"), "the answer")[query.part].encode(errors="replace")
    if not query.silent:
        _show(query, answer)
    return 0


def _show(query: StateQuery, answer: Result) -> None:
    if query.field is None and not query.raw and not os.isatty(1):
        write_line(answer)
        return
    from snakepit_cli.cli.output.results import show

    show(query, answer)


def _kind(refusal: RefusedError) -> str:
    from snakepit_cli.cli.output.error_report import as_pit_error

    return as_pit_error(refusal).kind
