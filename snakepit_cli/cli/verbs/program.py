"""snakepit program: JSON documents that the commands of a session, or of all sessions, can use."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from snakepit_cli.base.durations import show as shown_time
from snakepit_cli.cli.connection import opened
from snakepit_cli.cli.help import ValueVerb, Verb, argument, group, option
from snakepit_cli.cli.options import Field, JsonAnswer, Pattern, Raw, SessionOf
from snakepit_cli.cli.output import state_results, table
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Shared, UsageError, encodable
from snakepit_cli.client.call.state_query import program_get, session_of, value_text
from snakepit_cli.client.json_text import JsonText
from snakepit_cli.client.state import Programs

_GROUP = """
snakepit program put summarize '{"signature": "text -> summary"}' --global
snakepit program get summarize --global
snakepit program list --global
"""
_EXAMPLES = {
    "put": 'snakepit program put summarize \'{"signature": "text -> summary"}\' --global\n'
    "snakepit program put p1 @data.json --session s1",
    "get": "snakepit program put p1 '{\"steps\": [1, 2]}' --session s1; snakepit program get p1 --session s1\n"
    "snakepit program get p1 --session s1 --field steps[0]",
    "list": "snakepit program list --global\nsnakepit session create s1; snakepit program list 'p*' --session s1",
    "rm": "snakepit program put p1 '{}' --global; snakepit program rm p1 --global",
}
Name = Annotated[str, argument("ID", "Name of the program.")]
Everywhere = Annotated[bool, option("--global", "A global program, which all sessions can use.")]


def _scope(session: str | None, *, everywhere: bool) -> str | None:
    if everywhere:
        if session is not None:
            raise UsageError("--global and --session exclude each other")
        return None
    try:
        return session_of(session)
    except UsageError as error:
        raise UsageError(f"{error}; or use --global") from None


def put(
    ctx: typer.Context,
    *,
    name: Name,
    data: Annotated[str, argument("DATA", "Any JSON; @FILE reads it from a file, @- from standard input.")],
    everywhere: Everywhere = False,
    create: Annotated[bool, option("--create", "Fail when it exists.")] = False,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """Store a program: any JSON, under a name. One of this name is replaced."""
    shared: Shared = ctx.obj
    scope = _scope(session, everywhere=everywhere)
    encodable(name)
    text = JsonText(value_text(data, name, json=True))
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Programs(connection, scope).put(name, text, create=create)
    if json:
        table.document(answer)


def get(
    ctx: typer.Context,
    *,
    name: Name,
    everywhere: Everywhere = False,
    session: SessionOf = None,
    json: JsonAnswer = False,
    field: Field = None,
    raw: Raw = False,
) -> int:
    """Print a program. Without --global: that of the session or, when it has none, the global one."""
    shared: Shared = ctx.obj
    scope = _scope(session, everywhere=everywhere)
    query = program_get(shared, name, session=scope, json=json, field=field, raw=raw)
    with opened(shared, json=json) as sock:
        return state_results.perform(sock, query)


def list_(
    ctx: typer.Context,
    *,
    pattern: Pattern = "*",
    everywhere: Everywhere = False,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """List the programs of a session, or the global ones."""
    shared: Shared = ctx.obj
    scope = _scope(session, everywhere=everywhere)
    with api.Connection(opened(shared, json=json)) as connection:
        found = Programs(connection, scope).list(pattern)
    if json:
        table.document(found)
    elif not found:
        Voice(shared).note("no programs (`snakepit program put` stores one)")
    else:
        now = time.time()
        rows = [
            (one["id"], one["session"] or "(global)", f"{one['bytes']:,}", shown_time(max(0.0, now - one["updated"])))
            for one in found
        ]
        table.show(("PROGRAM", "SESSION", "BYTES", "UNCHANGED FOR"), rows, shared, least=("UNCHANGED FOR", "BYTES"))


def rm(
    ctx: typer.Context,
    *,
    names: Annotated[list[str], argument("ID…", "Names of programs.")],
    everywhere: Everywhere = False,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """Remove programs."""
    shared: Shared = ctx.obj
    scope = _scope(session, everywhere=everywhere)
    with api.Connection(opened(shared, json=json)) as connection:
        answers = [Programs(connection, scope).rm(name) for name in names]
    if json:
        table.document(answers)
        return
    for one in answers:
        Voice(shared).note(f"program {one['id']}: removed")


def register(app: typer.Typer) -> None:
    verbs = group("program", _GROUP, "JSON documents of a session, or of all sessions, under names.")
    for name, verb in (("put", put), ("get", get), ("list", list_), ("rm", rm)):
        verbs.command(name, cls=ValueVerb if verb is put else Verb, epilog=_EXAMPLES[name])(verb)
    app.add_typer(verbs)
