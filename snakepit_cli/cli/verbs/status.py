"""snakepit status and workers. They never start a server."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from snakepit_cli.base import paths
from snakepit_cli.base.durations import show
from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.help import Verb, option
from snakepit_cli.cli.output import table
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
    for line in _head(answer):
        table.text(line)
    if answer["pools"]:
        table.text("")
        head = ("POOL", "STATE", "WORKERS", "BUSY", "QUEUED", "CALLS", "ERRORS", "RESTARTS", "ADAPTER")
        table.show(head, [_pool(pool) for pool in answer["pools"]], shared)
    for pool in answer["pools"]:
        if reason := pool.get("reason"):
            table.text(f"pool {pool['name']}: {reason['message']}")
        if pool.get("breaker", "closed") != "closed":
            table.text(f"pool {pool['name']}: calls have killed one worker after another: turned away for some seconds")
        if note := pool.get("note"):
            table.text(f"pool {pool['name']}: {note}")


def _head(answer: api.Json) -> list[str]:
    server = answer["server"]
    times = server["restarts"]
    restarts = f", restarted {times} time{'' if times == 1 else 's'}" if times else ""
    lines = [
        f"instance {answer['instance']}: up {show(answer['uptime'])}, version {answer['version']}",
        f"server pid {server['pid']}{restarts}, warden pid {answer['warden']['pid']}",
    ]
    if answer["idle_exit"] is not None:
        lines.append(f"ends after {show(answer['idle_exit'])} without use (`snakepit up` keeps it)")
    if (moved := paths.displaced()) is not None:
        lines.append(moved)
    if not answer["pools"]:
        lines.append("no pools (`snakepit up` starts one)")
    return lines


def _pool(pool: api.Json) -> tuple[str, ...]:
    numbers = (pool["busy"], pool["queued"], pool["requests"], pool["errors"], pool["restarts"])
    workers = f"{pool['ready']}/{pool['size']}" + (f"+{pool['spare']}" if pool["spare"] else "")
    return (pool["name"], pool["state"], workers, *map(str, numbers), pool["adapter"])


def workers(
    ctx: typer.Context,
    *,
    pool: Annotated[str | None, option("--pool", "Only this pool's (SNAKEPIT_POOL).", "POOL")] = None,
    json: Json = False,
) -> None:
    """List the workers with what they do and how much memory they hold."""
    shared: Shared = ctx.obj
    name = pool_name(pool)
    with api.Connection(running(shared)) as connection:
        answer = api.workers(connection, name)
    if json:
        table.document(answer)
        return
    rows = [
        (
            one["id"], one["pool"], str(one["pid"] or ""), one["state"], str(one["running"]), str(one["requests"]),
            f"{one['memory'] / _MEBI:.1f} MB" if one["memory"] else "", show(one["uptime"]),
        )
        for one in answer
    ]  # fmt: skip
    table.show(("WORKER", "POOL", "PID", "STATE", "RUNNING", "CALLS", "MEMORY", "UP"), rows, shared)


def register(app: typer.Typer) -> None:
    app.command("status", cls=Verb, epilog=_STATUS)(status)
    app.command("workers", cls=Verb, epilog=_WORKERS)(workers)
