"""snakepit logs. Reads files: it works when nothing runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.output.color import enabled, paint
from snakepit_cli.cli.output.terminal import clean
from snakepit_cli.client import api, logfiles
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Shared, UsageError, seconds
from snakepit_cli.client.connect.find import find

_EXAMPLES = """
snakepit logs
snakepit logs server -n 50
snakepit logs default --since 5m
snakepit logs -f
"""
_TURN_SECONDS = 0.1
_PATIENCE = 0.5
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_COLORS = ("36", "33", "35", "32", "34")


def logs(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None,
        argument("WORKER|POOL|server|warden", "Whose log; default: all, each line with its name."),
    ] = None,
    follow: Annotated[bool, option("--follow -f", "Print new lines as they come, until Ctrl-C.")] = False,
    lines: Annotated[int, option("--lines -n", "Number of last lines of each log.", "LINES")] = 20,
    since: Annotated[str | None, option("--since", "Only lines of this last time: 30, 90s, 2m, 1h.", "TIME")] = None,
) -> None:
    """Print the logs of workers, server and warden. Works without a server."""
    shared: Shared = ctx.obj
    if lines < 0:
        raise UsageError(f"-n {lines}: must not be negative")
    start = None if since is None else time.strftime(_STAMP, time.gmtime(time.time() - seconds(since)))
    alive = _alive(shared)
    only = None if name is None else logfiles.of(shared.instance, name, alive)
    printer = Printer(shared, prefixed=only is None or len(only) != 1)
    followers: dict[str, logfiles.Follower] = {}
    for one in logfiles.names(shared.instance, alive) if only is None else only:
        if follow:
            followers[one] = logfiles.Follower(shared.instance, one)
            followers[one].skip()
        for line in _chosen(shared.instance, one, lines, start):
            printer.line(one, line)
    printer.flush()
    while follow:
        _turn(shared, followers, printer, fresh=only is None)
        time.sleep(_TURN_SECONDS)


def _chosen(instance: str, name: str, lines: int, start: str | None) -> list[bytes]:
    return logfiles.tail(instance, name, lines) if start is None else logfiles.since(instance, name, start)


def _alive(shared: Shared) -> set[str]:
    """Workers that run, as far as a server says so at once."""
    try:
        sock = find(shared.instance)
        if sock is None:
            return set()
        with api.Connection(sock) as connection:
            return {str(row["id"]) for row in connection.query("workers", patience=_PATIENCE)}
    except PitError:
        return set()


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
