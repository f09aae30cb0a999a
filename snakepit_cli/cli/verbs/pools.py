"""snakepit scale, pause, resume, drain and restart: what is done with a pool that runs."""

from __future__ import annotations

from typing import Annotated

import typer

from snakepit_cli.base.ids import pool_of
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.output import table, waiting
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.status_view import workers_ready
from snakepit_cli.cli.output.waiting import Waiting
from snakepit_cli.cli.verbs.status import running
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared, pool_name, seconds

_SCALE = """
snakepit scale default 8
snakepit scale words 2 --timeout 3m
"""
_PAUSE = """
snakepit pause
snakepit pause words
"""
_RESUME = """
snakepit resume
snakepit resume words
"""
_DRAIN = """
snakepit drain
snakepit drain words --timeout 5m
"""
_RESTART = """
snakepit restart
snakepit restart words
snakepit restart words-3
"""
Name = Annotated[str | None, argument("POOL", "Its name (SNAKEPIT_POOL; default: default).")]
Json = Annotated[bool, option("--json", "Print the pool as one JSON document.")]


def scale(
    ctx: typer.Context,
    *,
    pool: Annotated[str, argument("POOL", "Name of the pool.")],
    size: Annotated[int, argument("N", "Number of workers.")],
    timeout: Annotated[str, option("--timeout", "How long new workers may take to start.", "TIME")] = "60s",
    json: Json = False,
) -> None:
    """Change the number of workers of a running pool. Busy ones finish their calls before they leave."""
    shared: Shared = ctx.obj
    name = pool_name(pool) or pool
    limit = seconds(timeout)
    parting = f"pool {name} goes on changing its size; see `snakepit status`"
    with api.Connection(running(shared)) as connection, Waiting(shared, waiting.ready(name), parting):
        answer = api.scale(connection, name, size, limit)
    _tell(shared, answer, workers_ready(answer), json=json)


def pause(ctx: typer.Context, *, pool: Name = None, json: Json = False) -> None:
    """Hold new calls to a pool; running calls go on. `resume` releases them."""
    _admit(ctx.obj, pool, "paused", json=json)


def resume(ctx: typer.Context, *, pool: Name = None, json: Json = False) -> None:
    """Accept calls again, after `pause` or `drain`."""
    _admit(ctx.obj, pool, "open", json=json)


def _admit(shared: Shared, pool: str | None, gate: str, *, json: bool) -> None:
    with api.Connection(running(shared)) as connection:
        answer = api.admit(connection, pool_name(pool) or "default", gate)
    waiting = f", {answer['queued']} waiting" if answer["queued"] else ""
    _tell(shared, answer, f"{answer['state']}{waiting}", json=json)


def drain(
    ctx: typer.Context,
    *,
    pool: Name = None,
    timeout: Annotated[str | None, option("--timeout", "How long to wait for its calls.", "TIME")] = None,
    json: Json = False,
) -> None:
    """Take no new calls and wait until all others have been answered. The workers stay warm."""
    shared: Shared = ctx.obj
    limit = None if timeout is None else seconds(timeout)
    name = pool_name(pool) or "default"
    parting = f"pool {name} takes no new calls until `snakepit resume {name}`"
    with api.Connection(running(shared)) as connection, Waiting(shared, waiting.calls(name), parting):
        answer = api.drain(connection, name, limit)
    _tell(shared, answer, "closed, no call is left", json=json)
    if not json:
        other = "" if answer["name"] == "default" else f" {answer['name']}"
        Voice(shared).next(f"snakepit resume{other}")


def restart(
    ctx: typer.Context,
    *,
    what: Annotated[str | None, argument("POOL|WORKER", "A pool, or one worker (default: default).")] = None,
    timeout: Annotated[str, option("--timeout", "How long it may take.", "TIME")] = "5m",
    json: Json = False,
) -> None:
    """Replace a pool's workers one after another, or a single worker. No call fails; changed code is loaded."""
    shared: Shared = ctx.obj
    name = what or pool_name(None) or "default"
    limit = seconds(timeout)
    with api.Connection(running(shared)) as connection:
        pools = {pool["name"] for pool in api.status(connection)["pools"]}
        worker = name if name not in pools and pool_of(name) else None
        pool = name if worker is None else pool_of(name)
        old = {name} if worker else {row["id"] for row in api.workers(connection, pool)} if pool in pools else set()
        parting = f"the workers of pool {pool} go on being replaced; see `snakepit workers`"
        with Waiting(shared, waiting.replaced(pool, old), parting):
            answer = api.replace(connection, pool=None if worker else name, worker=worker, timeout=limit)
    count = len(answer["replaced"])
    _tell(shared, answer, f"{count} worker{'' if count == 1 else 's'} replaced", json=json)


def _tell(shared: Shared, pool: api.Json, what: str, *, json: bool) -> None:
    if json:
        table.document(pool)
    else:
        Voice(shared).note(f"pool {pool['name']}: {what}")


def register(app: typer.Typer) -> None:
    for name, examples, verb in (
        ("scale", _SCALE, scale),
        ("pause", _PAUSE, pause),
        ("resume", _RESUME, resume),
        ("drain", _DRAIN, drain),
        ("restart", _RESTART, restart),
    ):
        app.command(name, cls=Verb, epilog=examples)(verb)
