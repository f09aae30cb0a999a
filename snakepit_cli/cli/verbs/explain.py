"""snakepit explain: where the time of a call went."""

from __future__ import annotations

from typing import Annotated

import typer

from snakepit_cli.base.durations import fine
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.output import table
from snakepit_cli.cli.verbs.status import running
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared, UsageError

_EXAMPLES = """
snakepit explain
snakepit explain 1
snakepit explain --recent
snakepit explain last --json
"""
_PARTS = {
    "start": "waited for the pool's first worker",
    "queue": "waited for a free worker",
    "dispatch": "on its way to the worker and back",
    "run": "in the handler",
}
_WIDTH = 30


def explain(
    ctx: typer.Context,
    *,
    call: Annotated[str, argument("CALL|last", "Number of the call (default: last).")] = "last",
    recent: Annotated[bool, option("--recent", "List the latest calls.")] = False,
    json: Annotated[bool, option("--json", "Exactly one JSON document on stdout.")] = False,
) -> None:
    """Show where the time of a call went: start, queue, dispatch, run. The latest 1,000 calls are known."""
    shared: Shared = ctx.obj
    wanted = None if recent else "last" if call == "last" else _number(call)
    with api.Connection(running(shared)) as connection:
        rows = api.explain(connection, wanted)
    if json:
        table.document(rows if recent else rows[0])
    elif recent:
        _list(rows, shared)
    else:
        _one(rows[0])


def _number(call: str) -> int:
    try:
        return int(call)
    except ValueError:
        raise UsageError(f"{call}: a number, or `last`") from None


def _one(row: api.Json) -> None:
    where = f"pool {row['pool']}" + (f", worker {row['worker']}" if row["worker"] else "")
    table.text(f"call {row['call']}: {row['command']} ({where}): {row['outcome'] or row['state']}")
    longest = max(row["total"], 1e-9)
    for part, meaning in _PARTS.items():
        bar = "━" * round(row[part] / longest * _WIDTH)
        table.text(f"  {part:8} {fine(row[part]):>9}  {bar:{_WIDTH}}  {meaning}")
    table.text(f"  {'total':8} {fine(row['total']):>9}")


def _list(rows: list[api.Json], shared: Shared) -> None:
    lines = [
        (
            str(row["call"]), row["command"], row["pool"], row["worker"] or "", row["outcome"] or row["state"],
            *(fine(row[part]) for part in _PARTS), fine(row["total"]),
        )
        for row in rows
    ]  # fmt: skip
    table.show(
        ("CALL", "COMMAND", "POOL", "WORKER", "OUTCOME", *map(str.upper, _PARTS), "TOTAL"),
        lines,
        shared,
        least=("START", "DISPATCH", "POOL", "QUEUE", "RUN", "WORKER", "OUTCOME"),
    )


def register(app: typer.Typer) -> None:
    app.command("explain", cls=Verb, epilog=_EXAMPLES)(explain)
