"""snakepit server: the background process by itself."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.connection import opened
from snakepit_cli.cli.help import Verb, group, option
from snakepit_cli.cli.output import waiting
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.verbs import down, status
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared, seconds
from snakepit_cli.client.connect import start_warden

_EXAMPLES = """
snakepit server start
snakepit server restart
snakepit server stop
"""
_FIRST = {
    "run": "snakepit server run\nsnakepit server run --instance ci",
    "start": "snakepit server start\nsnakepit server start --instance ci",
    "stop": "snakepit server stop\nsnakepit server stop --timeout 1m",
    "restart": "snakepit server restart\nsnakepit server restart --timeout 1m",
    "status": "snakepit server status\nsnakepit server status --json",
}
Timeout = Annotated[str, option("--timeout", "How long running calls may go on.", "TIME")]
Json = Annotated[bool, option("--json", "Exactly one JSON document on stdout.")]


def run(ctx: typer.Context) -> None:
    """Run the server in the foreground, for a service manager or to see what it does. Ctrl-C ends it."""
    shared: Shared = ctx.obj
    start_warden.prepare(shared.instance)
    argv = start_warden.command("run", "--instance", shared.instance, "--foreground")
    try:
        os.execve(argv[0], argv, start_warden.environment(shared.instance))
    except OSError as error:
        raise PitError("unavailable", f"the server cannot be started: {error.strerror}") from None


def start(ctx: typer.Context) -> None:
    """Start the server when it does not run. Pools start when they are called."""
    shared: Shared = ctx.obj
    with api.Connection(opened(shared)) as connection:
        pid = api.ping(connection)["pid"]
    voice = Voice(shared)
    voice.note(f"instance {shared.instance}: server running (pid {pid})")
    voice.next("snakepit exec ping")


def stop(ctx: typer.Context, *, timeout: Timeout = "10s", json: Json = False) -> int:
    """Stop the server and all of its pools: the same as `snakepit down`."""
    return down.down(ctx, pool=None, everything=False, timeout=timeout, json=json)


def restart(ctx: typer.Context, timeout: Timeout = "10s") -> None:
    """End the server process and start it again with the same pools."""
    shared: Shared = ctx.obj
    limit = seconds(timeout)
    with api.Connection(status.running(shared)) as connection:
        before = api.ping(connection)["pid"]
        parting = "the server restarts when its calls are done"
        with waiting.Waiting(shared, waiting.calls(None), parting):
            api.restart(connection, limit)
            connection.wait_closed(limit)
    with api.Connection(opened(shared)) as connection:
        pid = api.ping(connection)["pid"]
    Voice(shared).note(f"instance {shared.instance}: server restarted (pid {before} → {pid})")


def status_(ctx: typer.Context, *, json: Json = False) -> None:
    """Show the server and its pools: the same as `snakepit status`."""
    status.status(ctx, json=json)


def register(app: typer.Typer) -> None:
    verbs = group("server", _EXAMPLES, "The background process: run, start, stop, restart, status.")
    for name, function in (("run", run), ("start", start), ("stop", stop), ("restart", restart), ("status", status_)):
        verbs.command(name, cls=Verb, epilog=_FIRST[name])(function)
    app.add_typer(verbs)
