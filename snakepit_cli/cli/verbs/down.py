"""snakepit down."""

from __future__ import annotations

import copy
from typing import Annotated

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.output import table, waiting
from snakepit_cli.cli.output.messages import Voice, err
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared, UsageError, seconds
from snakepit_cli.client.connect import stop
from snakepit_cli.client.connect.find import find

_EXAMPLES = """
snakepit down
snakepit down words
snakepit down --all --timeout 30s
"""


def down(
    ctx: typer.Context,
    *,
    pool: Annotated[str | None, argument("POOL", "Only this pool.")] = None,
    everything: Annotated[bool, option("--all", "Every instance of yours.")] = False,
    timeout: Annotated[str, option("--timeout", "How long running calls may go on.", "TIME")] = "10s",
    json: Annotated[bool, option("--json", "Print what was stopped as one JSON document.")] = False,
) -> int:
    """Stop this instance (or a pool, or all instances). Returns when nothing is left, and says so."""
    shared: Shared = ctx.obj
    limit = seconds(timeout)
    if pool is not None and everything:
        raise UsageError("a pool and --all exclude each other")
    voice = Voice(shared)
    if pool is not None:
        _pool(shared, voice, pool, limit, json=json)
        return 0
    stopped = {}
    code = 0
    for name in stop.instances() if everything else [shared.instance]:
        try:
            parting = f"instance {name} goes on stopping; `snakepit down` waits for the end"
            with waiting.Waiting(_of(shared, name), waiting.calls(None), parting):
                stopped[name] = stop.instance(name, limit)
        except PitError as error:
            if not everything:
                raise
            err(f"instance {name}: {error.message}")
            code = code or error.exit_code
    if json:
        table.document({"instances": {name: report for name, report in stopped.items() if report is not None}})
    else:
        _tell(voice, stopped)
    return code


def _of(shared: Shared, instance: str) -> Shared:
    """The global options, with another instance."""
    other = copy.copy(shared)
    other.instance = instance
    return other


def _pool(shared: Shared, voice: Voice, pool: str, limit: float, *, json: bool) -> None:
    sock = find(shared.instance)
    if sock is None:
        report: api.Json = {"pool": pool, "workers": 0}
    else:
        parting = f"pool {pool} goes on stopping; see `snakepit status`"
        with api.Connection(sock) as connection, waiting.Waiting(shared, waiting.calls(pool), parting):
            report = api.down(connection, pool, limit)
    if json:
        table.document(report)
    elif sock is None:
        voice.note("nothing is running")
    else:
        voice.note(f"pool {pool}: stopped ({_count(report['workers'], 'worker')})")


def _tell(voice: Voice, stopped: dict[str, api.Json | None]) -> None:
    reports = {name: report for name, report in stopped.items() if report is not None}
    for name, report in reports.items():
        what = []
        if "workers" in report:
            what += [_count(_number(report["pools"]), "pool"), _count(_number(report["workers"]), "worker")]
        if report.get("reaped"):
            what.append(f"{_count(report['reaped'], 'orphan')} reaped")
        if report.get("firm"):
            what.append("by force")
        voice.note(f"instance {name}: stopped{' (' + ', '.join(what) + ')' if what else ''}, nothing is left")
    if not reports:
        voice.note("nothing is running")


def _number(value: object) -> int:
    return len(value) if isinstance(value, list) else int(str(value))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def register(app: typer.Typer) -> None:
    app.command("down", cls=Verb, epilog=_EXAMPLES)(down)
