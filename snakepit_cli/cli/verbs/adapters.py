"""snakepit adapters: what `--adapter` may name, and whether it works."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.help import Verb, argument, group, option
from snakepit_cli.cli.output import table
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.client import folders

GROUP = "snakepit.adapters"
"""Entry points by which packages register adapters."""
_EXAMPLES = """
snakepit adapters list
snakepit adapters check showcase
snakepit adapters check node:./examples/words.mjs
"""
_OURS = {
    "showcase": "examples of all that a worker can do",
    "node": "the same in Node.js: ping, echo, compute, random, info",
    "python": "calls functions of the modules that the pool names",
}
_FIRST = {
    "list": "snakepit adapters list\nsnakepit adapters list --json",
    "show": "snakepit adapters show showcase\nsnakepit adapters show showcase --json",
    "check": "snakepit adapters check words.py\nsnakepit adapters check showcase --json",
}
Json = Annotated[bool, option("--json", "Exactly one JSON document on stdout.")]
Name = Annotated[str, argument("ADAPTER", "A name from the list; for `check` also any reference.")]


def _known() -> Iterator[dict[str, Any]]:
    from importlib import metadata

    from msgspec import to_builtins

    from snakepit_cli.settings import load

    for name, what in _OURS.items():
        yield {"name": name, "from": "snakepit", "what": what}
    for name, one in load.load().adapters.items():
        what = shlex.join([one.executable, *one.args])
        yield {"name": name, "from": "configuration", "what": what, "settings": to_builtins(one)}
    for entry in metadata.entry_points(group=GROUP):
        package = entry.dist.name if entry.dist is not None else "?"
        yield {"name": entry.name, "from": f"package {package}", "what": entry.value}


def list_(ctx: typer.Context, *, json: Json = False) -> None:
    """Show the adapters that have names: ours, those of the configuration, and those of installed packages."""
    found = list(_known())
    if json:
        table.document({"adapters": found})
    else:
        table.show(
            ("NAME", "FROM", "WHAT"),
            [(one["name"], one["from"], one["what"]) for one in found],
            ctx.obj,
            least=("FROM",),
            prose="WHAT",
        )


def show(adapter: Name, *, json: Json = False) -> None:
    """Show what is known of one adapter."""
    found = next((one for one in _known() if one["name"] == adapter), None)
    if found is None:
        raise PitError(
            "adapter_not_found", f"no adapter is named {adapter!r}", hint="list them with `snakepit adapters list`"
        )
    if json:
        table.document(found)
        return
    table.text(f"{found['name']}, from {found['from']}: {found['what']}")
    for name, value in found.get("settings", {}).items():
        if value and name not in {"executable", "args"}:
            table.text(f"  {name}: {value}")


def check(ctx: typer.Context, adapter: Name, *, json: Json = False) -> None:
    """Start a worker of the adapter, ask what it can do, and end it."""
    from snakepit_cli.conformance import offer
    from snakepit_cli.settings import load

    custom = load.load().adapters.get(adapter)
    found = offer.commands(adapter, custom, os.environ, folders.current())
    if json:
        table.document({"adapter": adapter, "commands": found})
        return
    for one in found:
        table.text(f"{one['name']}  {one['summary']}".rstrip())
    Voice(ctx.obj).note(
        f"{adapter} works" + (f", {len(found)} command{'' if len(found) == 1 else 's'}" if found else "")
    )


def register(app: typer.Typer) -> None:
    verbs = group("adapters", _EXAMPLES, "What pools can run: list, show, check.")
    for name, function in (("list", list_), ("show", show), ("check", check)):
        verbs.command(name, cls=Verb, epilog=_FIRST[name])(function)
    app.add_typer(verbs)
