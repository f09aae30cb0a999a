"""snakepit session: create, list, show and remove what the calls of a task share."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from snakepit_cli.base.durations import show as shown_time
from snakepit_cli.cli.connection import opened
from snakepit_cli.cli.help import Verb, argument, group, option
from snakepit_cli.cli.options import Facts, JsonAnswer, Pattern
from snakepit_cli.cli.output import state_results, table
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.client import api
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Shared, UsageError, encodable, labels, seconds
from snakepit_cli.client.call.state_query import session_exists, session_of
from snakepit_cli.client.state import Sessions

_GROUP = """
export SNAKEPIT_SESSION=$(snakepit session create --ttl 2h)
snakepit session list
snakepit session rm s1
"""
_EXAMPLES = {
    "create": "export SNAKEPIT_SESSION=$(snakepit session create)\nsnakepit session create s1 --ttl 2h --meta user=ada",
    "list": "snakepit session list\nsnakepit session list 'job-*' --json",
    "show": "snakepit session create s1; snakepit session show s1\n"
    "export SNAKEPIT_SESSION=$(snakepit session create); snakepit session show --json",
    "exists": "snakepit session exists s1 || snakepit session create s1",
    "touch": "snakepit session create s1; snakepit session touch s1",
    "update": "snakepit session create s1; snakepit session update s1 --ttl 1d --meta user=ada\n"
    "snakepit session update s1 --drop-meta user",
    "rm": "snakepit session rm s1\nsnakepit session rm s1 s2",
    "stats": "snakepit session stats\nsnakepit session stats --json",
    "gc": "snakepit session gc",
}
_SESSIONS = "snakepit sessions\nsnakepit sessions --json"
One = Annotated[str, argument("ID", "Name of the session.")]
OneOrSet = Annotated[str | None, argument("ID", "Name of the session (SNAKEPIT_SESSION).")]
Ttl = Annotated[str | None, option("--ttl", "How long it lasts after its last use: 90s, 2h, 1d.", "TIME")]
_HEAD = ("SESSION", "AGE", "LEFT", "WORKER", "CALLS", "VARIABLES", "PROGRAMS", "TOOLS", "BYTES")


def _time(text: str | None) -> float | None:
    return None if text is None else seconds(text)


def _named(name: str | None) -> str:
    if name is None:
        try:
            return session_of(None)
        except UsageError:
            raise UsageError("no session: name it, or set SNAKEPIT_SESSION") from None
    encodable(name)
    return name


def create(
    ctx: typer.Context,
    *,
    name: Annotated[str | None, argument("ID", "Its name; by default, a new one is generated.")] = None,
    ttl: Ttl = None,
    meta: Facts = None,
    json: JsonAnswer = False,
) -> None:
    """Create a session and print its id. One that exists is left as it is."""
    shared: Shared = ctx.obj
    lasting, facts = _time(ttl), labels(meta) if meta else None
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Sessions(connection).create(name, ttl=lasting, metadata=facts)
    if json:
        table.document(answer)
        return
    if not answer["new"]:
        Voice(shared).note(f"session {answer['id']} exists already; it was left as it is")
    write(f"{answer['id']}\n".encode())


def list_(
    ctx: typer.Context,
    *,
    pattern: Pattern = "*",
    limit: Annotated[int | None, option("--limit", "Only the N oldest.", "N")] = None,
    json: JsonAnswer = False,
) -> None:
    """List the sessions, the oldest first."""
    shared: Shared = ctx.obj
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be at least 1, not {limit}")
    with api.Connection(opened(shared, json=json)) as connection:
        found = list(islice(Sessions(connection).list(pattern), limit))
    if json:
        table.document(found)
    elif not found:
        Voice(shared).note("no sessions (`snakepit session create` makes one)")
    else:
        rows = [
            (
                one["id"], shown_time(one["age"]), shown_time(one["left"]), one["worker"] or "", f"{one['calls']:,}",
                f"{one['variables']:,}", f"{one['programs']:,}", f"{one['tools']:,}", f"{one['bytes']:,}",
            )
            for one in found
        ]  # fmt: skip
        table.show(_HEAD, rows, shared, least=("TOOLS", "PROGRAMS", "BYTES", "CALLS", "AGE", "WORKER"))


def show(ctx: typer.Context, *, name: OneOrSet = None, json: JsonAnswer = False) -> None:
    """Show a session: its age, the time left, what it holds."""
    _about(ctx, name, json=json)


def touch(ctx: typer.Context, *, name: OneOrSet = None, json: JsonAnswer = False) -> None:
    """Restart the time to live of a session."""
    shared: Shared = ctx.obj
    session = _named(name)
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Sessions(connection).touch(session)
    if json:
        table.document(answer)
    else:
        Voice(shared).note(f"session {session}: {shown_time(answer['left'])} left")


def update(
    ctx: typer.Context,
    *,
    name: OneOrSet = None,
    ttl: Ttl = None,
    meta: Facts = None,
    drop_meta: Annotated[list[str] | None, option("--drop-meta", "Remove this fact; repeatable.", "KEY")] = None,
    json: JsonAnswer = False,
) -> None:
    """Change how long a session lasts, or what is noted with it."""
    shared: Shared = ctx.obj
    session, lasting = _named(name), _time(ttl)
    facts: dict[str, str | None] = {**(labels(meta) if meta else {}), **dict.fromkeys(drop_meta or ())}
    if lasting is None and not facts:
        raise UsageError("nothing to change: give --ttl, --meta or --drop-meta")
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Sessions(connection).update(session, ttl=lasting, metadata=facts or None)
    if json:
        table.document(answer)
    else:
        _draw(answer, shared)


def exists(ctx: typer.Context, *, name: One) -> int:
    """Exit with 0 when the session exists, with 1 when it does not. Prints nothing."""
    shared: Shared = ctx.obj
    query = session_exists(shared, name)
    with opened(shared) as sock:
        return state_results.perform(sock, query)


def rm(
    ctx: typer.Context, *, names: Annotated[list[str], argument("ID…", "Names of sessions.")], json: JsonAnswer = False
) -> None:
    """Remove sessions with all that is in them."""
    shared: Shared = ctx.obj
    with api.Connection(opened(shared, json=json)) as connection:
        answers = [Sessions(connection).rm(name) for name in names]
    if json:
        table.document(answers)
        return
    for one in answers:
        Voice(shared).note(f"session {one['id']}: {'removed' if one['removed'] else 'there was none'}")


def stats(ctx: typer.Context, *, json: JsonAnswer = False) -> None:
    """Count sessions and what is in them, and what was created, removed and expired since the server started."""
    shared: Shared = ctx.obj
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Sessions(connection).stats()
    if json:
        table.document(answer)
    else:
        table.show(("WHAT", "NOW"), [(key.replace("_", " "), _plain(value)) for key, value in answer.items()], shared)


def gc(ctx: typer.Context, *, json: JsonAnswer = False) -> None:
    """Remove expired sessions now. The server does this every minute."""
    shared: Shared = ctx.obj
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Sessions(connection).gc()
    if json:
        table.document(answer)
    else:
        count = answer["expired"]
        Voice(shared).note(f"{count:,} session{'' if count == 1 else 's'} had expired")


def _about(ctx: typer.Context, name: str | None, *, json: bool) -> None:
    shared: Shared = ctx.obj
    session = _named(name)
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Sessions(connection).show(session)
    if json:
        table.document(answer)
    else:
        _draw(answer, shared)


def _draw(session: api.Json, shared: Shared) -> None:
    times = {"age", "left", "ttl"}
    shown = ("age", "left", "ttl", "worker", "calls", "variables", "programs", "tools", "bytes", "revision")
    rows = [(key, shown_time(session[key]) if key in times else _plain(session[key])) for key in shown]
    rows += [(f"meta {key}", str(value)) for key, value in session["metadata"].items()]
    table.show(("SESSION", session["id"]), rows, shared)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def register(app: typer.Typer) -> None:
    verbs = group("session", _GROUP, "What the calls of one task share: variables, programs, a worker.")
    for name, verb in (
        ("create", create),
        ("list", list_),
        ("show", show),
        ("exists", exists),
        ("touch", touch),
        ("update", update),
        ("rm", rm),
        ("stats", stats),
        ("gc", gc),
    ):
        verbs.command(name, cls=Verb, epilog=_EXAMPLES[name])(verb)
    app.add_typer(verbs)
    app.command("sessions", cls=Verb, epilog=_SESSIONS)(list_)
