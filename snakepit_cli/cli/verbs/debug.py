"""snakepit debug: what an instance has on record, and the places where tests can inject faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import typer

from snakepit_cli.base.failpoints import POINTS
from snakepit_cli.cli.help import Verb, group
from snakepit_cli.cli.options import JsonAnswer
from snakepit_cli.cli.output import table
from snakepit_cli.cli.verbs.status import running
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared
from snakepit_cli.client.state import Sessions

_FAILPOINTS = """
snakepit debug failpoints
snakepit debug failpoints --json
"""
_REGISTRY = """
snakepit debug registry
snakepit debug registry --json
"""


def failpoints(ctx: typer.Context, *, json: JsonAnswer = False) -> None:
    """List the places at which SNAKEPIT_FAILPOINT=PLACE=kill|stop|sleep:SECONDS|eio[@N] makes a process fail."""
    if json:
        table.document(POINTS)
    else:
        table.show(("PLACE", "WHAT IS TRUE THERE"), list(POINTS.items()), ctx.obj, prose="WHAT IS TRUE THERE")


def registry(ctx: typer.Context, *, json: JsonAnswer = False) -> None:
    """Count the processes, sessions and tools of an instance. Exit code 3 when no server is running."""
    shared: Shared = ctx.obj
    with api.Connection(running(shared)) as connection:
        answer = _counted(connection)
    if json:
        table.document(answer)
    else:
        table.show(("WHAT", "NOW"), list(_rows(answer)), shared)


def _counted(connection: api.Connection) -> api.Json:
    status, workers = api.status(connection), api.workers(connection)
    sessions = Sessions(connection)
    by_session = {one["id"]: one["tools"] for one in sessions.list() if one["tools"]}
    return {
        "instance": status["instance"],
        "processes": {
            "warden_pid": status["warden"]["pid"],
            "server_pid": status["server"]["pid"],
            "server_restarts": status["server"]["restarts"],
            "workers": len(workers),
            "worker_states": dict(Counter(one["state"] for one in workers)),
            "worker_pids": [one["pid"] for one in workers if one["pid"]],
            "pools": {one["name"]: {"workers": one["size"], "start": one["start"]} for one in status["pools"]},
            "orphans": len(api.reap(connection, dry_run=True)),
        },
        "sessions": sessions.stats(),
        "tools": {"offered": sum(by_session.values()), "by_session": by_session},
    }


def _rows(answer: api.Json) -> Iterator[tuple[str, str]]:
    """Its numbers and texts, each with the names that lead to it."""
    for key, value in answer.items():
        name = key.replace("_", " ")
        if isinstance(value, dict):
            yield from ((f"{name}: {inner}", text) for inner, text in _rows(value))
        elif isinstance(value, list):
            yield name, ", ".join(map(str, value))
        else:
            yield name, f"{value:,}" if isinstance(value, int) and "pid" not in key else str(value)


def register(app: typer.Typer) -> None:
    verbs = group("debug", _FAILPOINTS + _REGISTRY, "For looking inside, and for proving that failures are handled.")
    verbs.command("failpoints", cls=Verb, epilog=_FAILPOINTS)(failpoints)
    verbs.command("registry", cls=Verb, epilog=_REGISTRY)(registry)
    app.add_typer(verbs)
