"""snakepit debug: lists the places where tests can inject faults."""

from __future__ import annotations

from typing import Annotated

import typer

from snakepit_cli.base.failpoints import POINTS
from snakepit_cli.cli.help import Verb, group, option
from snakepit_cli.cli.output import table

_EXAMPLES = """
snakepit debug failpoints
snakepit debug failpoints --json
"""


def failpoints(
    ctx: typer.Context,
    *,
    json: Annotated[bool, option("--json", "Exactly one JSON document on stdout.")] = False,
) -> None:
    """List the places at which SNAKEPIT_FAILPOINT=PLACE=kill|stop|sleep:SECONDS|eio[@N] makes a process fail."""
    if json:
        table.document(POINTS)
    else:
        table.show(("PLACE", "WHAT IS TRUE THERE"), list(POINTS.items()), ctx.obj, prose="WHAT IS TRUE THERE")


def register(app: typer.Typer) -> None:
    verbs = group("debug", _EXAMPLES, "For proving that failures are handled.")
    verbs.command("failpoints", cls=Verb, epilog=_EXAMPLES)(failpoints)
    app.add_typer(verbs)
