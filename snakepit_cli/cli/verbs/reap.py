"""snakepit reap."""

from __future__ import annotations

from typing import Annotated

import typer

from snakepit_cli.cli.help import Verb, option
from snakepit_cli.cli.output import table
from snakepit_cli.cli.output.messages import Voice, err
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared
from snakepit_cli.client.connect import stop
from snakepit_cli.client.connect.find import find

_EXAMPLES = """
snakepit reap --dry-run
snakepit reap
snakepit reap --json
"""
_LEFT = 1


def reap(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, option("--dry-run", "Only show what would be ended, and why it is ours.")] = False,
    json: Annotated[bool, option("--json", "Exactly one JSON document on stdout.")] = False,
) -> int:
    """End processes that dead runs of this instance left behind, and free the memory of dead instances.

    Touches nothing that is not proven to be ours.
    """
    shared: Shared = ctx.obj
    sock = find(shared.instance)
    if sock is None:
        found = stop.reap_offline(shared.instance, dry_run=dry_run)
    else:
        with api.Connection(sock) as connection:
            found = api.reap(connection, dry_run=dry_run)
    left = [] if dry_run else [orphan for orphan in found if not orphan["ended"]]
    if json:
        table.document({"orphans": found, "dry_run": dry_run})
    elif found:
        head = ("ID", "ROLE", "PID", "EVIDENCE", "ENDED", "PROCESS")
        table.show(head, [_row(orphan) for orphan in found], shared, least=("ROLE", "EVIDENCE"), prose="PROCESS")
    else:
        Voice(shared).note("nothing to reap")
    if left:
        err(f"error: {len(left)} of {len(found)} could not be ended")
    return _LEFT if left else 0


def _row(orphan: api.Json) -> tuple[str, ...]:
    ended = "yes" if orphan["ended"] else "no"
    return (
        orphan["id"],
        orphan["role"],
        str(orphan["pid"] or ""),
        ", ".join(orphan["evidence"]),
        ended,
        orphan["title"],
    )


def register(app: typer.Typer) -> None:
    app.command("reap", cls=Verb, epilog=_EXAMPLES)(reap)
