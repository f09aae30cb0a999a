"""snakepit logs. Reads files: it works when nothing runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.output.color import enabled, paint
from snakepit_cli.cli.output.terminal import clean
from snakepit_cli.client import logfiles
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Shared, UsageError

_EXAMPLES = """
snakepit logs
snakepit logs server -n 50
snakepit logs -f
"""
_TURN_SECONDS = 0.1
_COLORS = ("36", "33", "35", "32", "34")


def logs(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None,
        argument("WORKER|server|warden", "Whose; without it all, each line with a name."),
    ] = None,
    follow: Annotated[bool, option("--follow -f", "Go on with what comes; ends with Ctrl-C.")] = False,
    lines: Annotated[int, option("--lines -n", "How many of the last lines of each.", "LINES")] = 20,
) -> None:
    """Print what workers, server and warden wrote. Works without a server."""
    shared: Shared = ctx.obj
    if lines < 0:
        raise UsageError(f"-n {lines}: must not be negative")
    only = None if name is None else logfiles.known(shared.instance, name)
    printer = Printer(shared, prefixed=only is None)
    followers: dict[str, logfiles.Follower] = {}
    for one in [only] if only else logfiles.names(shared.instance):
        if follow:
            followers[one] = logfiles.Follower(shared.instance, one)
            followers[one].skip()
        for line in logfiles.tail(shared.instance, one, lines):
            printer.line(one, line)
    printer.flush()
    while follow:
        _turn(shared, followers, printer, fresh=only is None)
        time.sleep(_TURN_SECONDS)


def _turn(shared: Shared, followers: dict[str, logfiles.Follower], printer: Printer, *, fresh: bool) -> None:
    """Prints what came. With `fresh`, logs that have appeared are followed from their beginning."""
    if fresh:
        for name in logfiles.names(shared.instance):
            if name not in followers:
                followers[name] = logfiles.Follower(shared.instance, name)
    for name, follower in followers.items():
        for line in follower.read():
            printer.line(name, line)
    printer.flush()


class Printer:
    """Lines to stdout, each with the name of its log when there are several."""

    def __init__(self, shared: Shared, *, prefixed: bool) -> None:
        self._prefixed = prefixed
        self._color = enabled(1, shared.color)
        self._names: list[str] = []
        self._out: list[str] = []

    def line(self, name: str, line: bytes) -> None:
        text = clean(line.decode(errors="replace"))
        if not self._prefixed:
            self._out.append(text)
            return
        if name not in self._names:
            self._names.append(name)
        color = _COLORS[self._names.index(name) % len(_COLORS)]
        self._out.append(f"{paint(name, color, on=self._color)} {text}")

    def flush(self) -> None:
        if self._out:
            write(("\n".join(self._out) + "\n").encode(errors="replace"))
            self._out.clear()


def register(app: typer.Typer) -> None:
    app.command("logs", cls=Verb, epilog=_EXAMPLES)(logs)
