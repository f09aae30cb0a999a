"""`exec` and `stream` when there is more to do than to talk: start a server, replace an old one.

The fast path comes here too, so what only some cases need is imported in them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from snakepit_cli import __version__
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.results import converse
from snakepit_cli.client.call.call import RefusedError
from snakepit_cli.client.call.request import Request, Shared
from snakepit_cli.client.connect.find import connect

if TYPE_CHECKING:
    from snakepit_cli.base.errors import PitError
    from snakepit_cli.client import api

_SECONDS = 5.0
Talking = Callable[[socket.socket, Request], int]


def opened(shared: Shared, *, json: bool = False) -> socket.socket:
    """A connection; starts a server unless told not to."""
    voice = Voice(shared)
    return connect(
        shared.instance, start=shared.start, notice=(lambda: None) if json else voice.starting, warn=voice.note
    )


def current(shared: Shared, *, json: bool = False) -> api.Connection:
    """A connection to a server of our own version: an idle one of another version is replaced. Raises PitError."""
    from snakepit_cli.client import api

    connection = api.Connection(opened(shared, json=json))
    if api.ping(connection)["version"] == __version__ or not shared.start:
        return connection
    connection.close()
    _replace(shared)
    return api.Connection(opened(shared, json=json))


def perform(request: Request, talk: Talking = converse) -> int:
    """Exit code. Raises PitError, RefusedError, StoppedError, ArgumentsError."""
    request.check()  # arguments that cannot be used start no server
    try:
        return _once(request, talk)
    except RefusedError as refusal:
        return after_refusal(request, refusal, talk)


def after_refusal(request: Request, refusal: RefusedError, talk: Talking = converse) -> int:
    """An idle server of another version is replaced, and the call sent once more: it was not touched yet."""
    from snakepit_cli.cli.output.error_report import as_pit_error

    error = as_pit_error(refusal)
    if error.kind != "version_skew" or error.detail.get("busy") is not False or not request.shared.start:
        raise _with_files(error, request) if error.kind == "invalid_arguments" else refusal
    _replace(request.shared)
    return _once(request, talk)


def _with_files(error: PitError, request: Request) -> PitError:
    """The error, in which an argument that came from a file is named with that."""
    for item in request.items:
        key, _, file = item.partition("@=")
        if file and key.isidentifier():
            error.message = error.message.replace(f": `{key}`", f": `{key}` ({file})", 1)
    return error


def _once(request: Request, talk: Talking) -> int:
    with opened(request.shared, json=request.json) as sock:
        return talk(sock, request)


def _replace(shared: Shared) -> None:
    from snakepit_cli.client.connect import stop

    stop.if_idle(shared.instance, _SECONDS)
