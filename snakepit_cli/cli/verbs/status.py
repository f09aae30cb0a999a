"""snakepit status and workers. They never start a server."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from snakepit_cli.base.durations import show
from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.help import Verb, option
from snakepit_cli.cli.output import status_view, table
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared, pool_name
from snakepit_cli.client.connect.find import find

_STATUS = """
snakepit status
snakepit status --json
snakepit status >/dev/null || snakepit up
"""
_WORKERS = """
snakepit workers
snakepit workers --pool default --json
"""
Json = Annotated[bool, option("--json", "Exactly one JSON document on stdout.")]
_MEBI = 1 << 20


def running(shared: Shared) -> socket.socket:
    """Raises PitError `not_running` when no server is."""
    sock = find(shared.instance)
    if sock is None:
        raise PitError("not_running", f"no server is running in instance {shared.instance}")
    return sock


def status(ctx: typer.Context, *, json: Json = False) -> None:
    """Show the server and its pools. Exit code 3 when no server is running."""
    shared: Shared = ctx.obj
    with api.Connection(running(shared)) as connection:
        answer = api.status(connection)
    if json:
        table.document(answer)
        return
    status_view.draw(answer, shared)


def workers(
    ctx: typer.Context,
    *,
    pool: Annotated[str | None, option("--pool -p", "Only this pool's (SNAKEPIT_POOL).", "POOL")] = None,
    json: Json = False,
) -> None:
    """List the workers, what each is doing and how much memory it holds."""
    shared: Shared = ctx.obj
    name = pool_name(pool)
    with api.Connection(running(shared)) as connection:
        answer = api.workers(connection, name)
    if json:
        table.document(answer)
        return
    rows = [
        (
            one["id"], one["pool"], str(one["pid"] or ""), one["state"], str(one["requests"]),
            f"{one['memory'] / _MEBI:.1f} MB" if one["memory"] else "", show(one["uptime"]), _doing(one["calls"]),
        )
        for one in answer
    ]  # fmt: skip
    head = ("WORKER", "POOL", "PID", "STATE", "CALLS", "MEMORY", "UP", "DOING")
    table.show(head, rows, shared, least=("POOL", "UP", "CALLS", "MEMORY", "PID"), prose="DOING")


def _doing(calls: list[api.Json]) -> str:
    """The oldest call, and how many more there are."""
    if not calls:
        return ""
    first = max(calls, key=lambda one: float(one["seconds"]))
    session = f", session {first['session']}" if first["session"] else ""
    others = f" (+{len(calls) - 1})" if len(calls) > 1 else ""
    return f"{first['command']}, {show(first['seconds'])}{session}{others}"


def register(app: typer.Typer) -> None:
    app.command("status", cls=Verb, epilog=_STATUS)(status)
    app.command("workers", cls=Verb, epilog=_WORKERS)(workers)
