"""snakepit var: typed variables of a session, one at a time. Batches and watching are in the files beside this one."""

from __future__ import annotations

import contextlib
import json as jsonlib
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from snakepit_cli.base.durations import show as shown_time
from snakepit_cli.cli.connection import opened
from snakepit_cli.cli.help import ValueVerb, Verb, argument, group, option
from snakepit_cli.cli.options import (
    Expect,
    Facts,
    Field,
    IsJson,
    IsString,
    JsonAnswer,
    OutputFile,
    Pattern,
    Raw,
    SessionOf,
)
from snakepit_cli.cli.output import state_results, table
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.terminal import cut
from snakepit_cli.cli.verbs import var_batch, var_watch
from snakepit_cli.client import api
from snakepit_cli.client.call import arguments, state_query
from snakepit_cli.client.call.request import Shared, UsageError, encodable, labels, seconds
from snakepit_cli.client.call.state_query import session_of, value_text, version_of
from snakepit_cli.client.json_text import JsonText
from snakepit_cli.client.state import Session

_GROUP = """
export SNAKEPIT_SESSION=$(snakepit session create)
snakepit var register temperature float 0.7 --constraint min:=0 --constraint max:=1
snakepit var set temperature 0.9
snakepit var get temperature
snakepit var watch temperature --from 0 | head -2
"""
_START = "snakepit var set temperature 0.9 --session s1"
_EXAMPLES = {
    "register": "snakepit var register temperature float 0.7 --constraint min:=0 --constraint max:=1 --session s2\n"
    'snakepit var register model choice small --constraints \'{"choices": ["small", "large"]}\' --session s2',
    "set": f"{_START}\nsnakepit var set greeting 'good morning' --session s1\n"
    "snakepit var set sizes '[1, 2, 3]' --session s1\nsnakepit var set notes @notes.txt --session s1",
    "get": f"{_START}; snakepit var get temperature --session s1\n"
    "snakepit var get temperature --session s1 --json --no-start\n"
    "snakepit var set sizes '[1, 2, 3]' --session s1; snakepit var get sizes -o sizes.npy --session s1",
    "list": f"{_START}; snakepit var list --session s1\nsnakepit var list 'temp*' --session s1 --json",
    "rm": "snakepit var set draft 1 --session s1; snakepit var rm draft --session s1",
    "history": f"{_START}; snakepit var history temperature --session s1",
    "rollback": f"{_START}; snakepit var rollback temperature 0 --session s1",
    "depend": "snakepit var mset a:=1 b:=2 --session s1; snakepit var depend a b --session s1\n"
    "snakepit var depend a --none --session s1",
}
TYPES = ("float", "integer", "string", "boolean", "choice", "module", "embedding", "tensor", "map", "list")
_TEXTS = ("string", "choice", "module")
"""Types whose values are text, whatever they look like."""
_LONGEST_CELL = 60
"""Columns."""
Name = Annotated[str, argument("NAME", "Name of the variable.")]
Value = Annotated[
    str,
    argument("VALUE", "A number, true, false, null, [list], {object}, or text; @FILE reads it, @FILE.npy an array."),
]


@contextlib.contextmanager
def _variables(shared: Shared, session: str | None, *, json: bool) -> Iterator[Session]:
    name = session_of(session)
    with api.Connection(opened(shared, json=json)) as connection:
        yield Session(connection, name)


def register_(
    ctx: typer.Context,
    *,
    name: Name,
    var_type: Annotated[str, argument("TYPE", f"{', '.join(TYPES)}.")],
    value: Value,
    constraints: Annotated[str | None, option("--constraints", "All constraints, an object.", "JSON|@FILE")] = None,
    constraint: Annotated[list[str] | None, option("--constraint", "A constraint; repeatable.", "KEY:=JSON")] = None,
    ttl: Annotated[str | None, option("--ttl", "How long it lasts after its last change.", "TIME")] = None,
    replace: Annotated[bool, option("--replace", "Replace one that exists.")] = False,
    meta: Facts = None,
    string: IsString = False,
    json_value: IsJson = False,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """Create a variable of a type, with a first value and with constraints that every later value must meet."""
    if var_type not in TYPES:
        raise UsageError(f"TYPE must be one of {', '.join(TYPES)}, not {var_type}")
    encodable(name)
    limits = _constraints(constraints, constraint or [])
    is_text = string or (var_type in _TEXTS and not json_value)
    lasting = None if ttl is None else seconds(ttl)
    facts = labels(meta) if meta else None
    session_of(session)
    text = value_text(value, name, string=is_text, json=json_value, kind=var_type, parts=True)
    given = text if isinstance(text, JsonText) else JsonText(text)
    with _variables(ctx.obj, session, json=json) as variables:
        answer = variables.register(
            name, var_type, given, constraints=limits, metadata=facts, ttl=lasting, replace=replace
        )
    if json:
        table.document(answer)


def _constraints(whole: str | None, single: list[str]) -> JsonText | None:
    if whole is None and not single:
        return None
    for one in single:
        if "=" not in one[1:]:
            raise UsageError(f"--constraint {one}: write it as KEY:=JSON")
    if whole is not None and whole[:1] == "@":
        whole = arguments.read_source(whole[1:], "--constraints", arguments.read_stdin)
    if whole is not None:
        arguments.members(whole, "--constraints")
    return JsonText(arguments.build(single, whole).decode())


def set_(
    ctx: typer.Context,
    *,
    name: Name,
    value: Value,
    expect: Expect = None,
    no_create: Annotated[bool, option("--no-create", "Fail when there is no such variable.")] = False,
    meta: Facts = None,
    string: IsString = False,
    json_value: IsJson = False,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> int:
    """Set a variable. Prints nothing; --json prints the new version. One that does not exist is registered.

    A number, true, false, null, a list or an object is JSON; anything else is text.
    """
    query = state_query.var_set(
        ctx.obj, name, value, session=session, expect=expect, string=string, json_value=json_value,
        no_create=no_create, meta=meta, json=json,
    )  # fmt: skip
    with opened(ctx.obj, json=json) as sock:
        return state_results.perform(sock, query)


def get(
    ctx: typer.Context,
    *,
    name: Name,
    session: SessionOf = None,
    json: Annotated[bool, option("--json", "Print all that is known of it, not only the value.")] = False,
    field: Field = None,
    raw: Raw = False,
    output_file: OutputFile = None,
) -> int:
    """Print the value of a variable as JSON, or write it into a file."""
    query = state_query.var_get(
        ctx.obj, name, session=session, json=json, field=field, raw=raw, output_file=output_file
    )
    with opened(ctx.obj, json=json) as sock:
        return state_results.perform(sock, query)


def list_(ctx: typer.Context, *, pattern: Pattern = "*", session: SessionOf = None, json: JsonAnswer = False) -> None:
    """List the variables of a session, the oldest first."""
    shared: Shared = ctx.obj
    with _variables(shared, session, json=json) as variables:
        found = variables.list(pattern)
    if json:
        table.document(found)
    elif not found:
        Voice(shared).note("no variables (`snakepit var set NAME VALUE` makes one)")
    else:
        now = time.time()
        rows = [
            (
                one["name"], one["type"], _brief(one["value"]), str(one["version"]),
                shown_time(max(0.0, now - one["updated"])), ", ".join(one["depends"]), "stale" if one["stale"] else "",
            )
            for one in found
        ]  # fmt: skip
        head = ("VARIABLE", "TYPE", "VALUE", "VERSION", "UNCHANGED FOR", "DEPENDS ON", "STATE")
        least = ("UNCHANGED FOR", "DEPENDS ON", "TYPE", "VERSION")
        used = [title for title, column in zip(head, zip(*rows, strict=True), strict=True) if any(column)]
        lines = [[cell for title, cell in zip(head, row, strict=True) if title in used] for row in rows]
        table.show(used, lines, shared, least=least, prose="VALUE")


def _brief(value: Any) -> str:
    return cut(jsonlib.dumps(value, ensure_ascii=False)[: 4 * _LONGEST_CELL], _LONGEST_CELL)


def rm(
    ctx: typer.Context,
    *,
    names: Annotated[list[str], argument("NAME…", "Names of variables.")],
    expect: Expect = None,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """Remove variables."""
    shared: Shared = ctx.obj
    version = None if expect is None else version_of(expect, "--expect")
    if version is not None and len(names) > 1:
        raise UsageError("--expect is for one variable")
    with _variables(shared, session, json=json) as variables:
        answers = [variables.rm(name, expect=version) for name in names]
    if json:
        table.document(answers)
        return
    for one in answers:
        Voice(shared).note(f"{one['name']}: removed")


def history(
    ctx: typer.Context,
    *,
    name: Name,
    limit: Annotated[int | None, option("--limit", "Only the N latest.", "N")] = None,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """List the versions of a variable that are kept, the oldest first."""
    shared: Shared = ctx.obj
    with _variables(shared, session, json=json) as variables:
        found = variables.history(name, limit=limit)
    if json:
        table.document(found)
        return
    now = time.time()
    rows = [
        (
            str(one["version"]), one["event"], _brief(one["value"]), one["source"],
            shown_time(max(0.0, now - one["at"])), str(one["revision"]),
        )
        for one in found
    ]  # fmt: skip
    head = ("VERSION", "EVENT", "VALUE", "SOURCE", "AGE", "REVISION")
    table.show(head, rows, shared, least=("REVISION", "AGE", "SOURCE", "EVENT"), prose="VALUE")


def rollback(
    ctx: typer.Context,
    *,
    name: Name,
    version: Annotated[str, argument("VERSION", "The version whose value it gets; see `history`.")],
    expect: Expect = None,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """Give a variable the value of an earlier version. This makes a new version."""
    shared: Shared = ctx.obj
    number = version_of(version, "VERSION")
    expected = None if expect is None else version_of(expect, "--expect")
    with _variables(shared, session, json=json) as variables:
        answer = variables.rollback(name, number, expect=expected)
    if json:
        table.document(answer)
    else:
        Voice(shared).note(f"{name}: version {answer['version']} has the value of version {number}")


def depend(
    ctx: typer.Context,
    *,
    name: Name,
    on: Annotated[list[str] | None, argument("ON", "Names of all variables that it depends on.")] = None,
    none: Annotated[bool, option("--none", "Remove all its dependencies.")] = False,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """Record which variables a variable depends on: it is stale when one of them has changed since it was set."""
    shared: Shared = ctx.obj
    if bool(on) == none:
        raise UsageError("name the variables that it depends on, or use --none")
    with _variables(shared, session, json=json) as variables:
        answer = variables.depend(name, on or [])
    if json:
        table.document(answer)
    else:
        Voice(shared).note(f"{name}: depends on {', '.join(answer['on']) or 'none'}")


_VERBS: dict[str, Callable[..., int | None]] = {
    "register": register_, "set": set_, "get": get, "list": list_, "rm": rm, "history": history, "rollback": rollback,
    "depend": depend,
}  # fmt: skip


def register(app: typer.Typer) -> None:
    verbs = group("var", _GROUP, "Typed variables of a session, with all their versions.")
    for name, verb in _VERBS.items():
        verbs.command(name, cls=ValueVerb if name in {"register", "set"} else Verb, epilog=_EXAMPLES[name])(verb)
    var_batch.register(verbs)
    var_watch.register(verbs)
    app.add_typer(verbs)
