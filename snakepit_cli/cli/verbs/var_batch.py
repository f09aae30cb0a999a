"""snakepit var mget, mset, export and import: many variables at once."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.connection import opened
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.options import Facts, JsonAnswer, Pattern, SessionOf
from snakepit_cli.cli.output import table
from snakepit_cli.cli.output.messages import Voice, err
from snakepit_cli.client import api
from snakepit_cli.client.call import arguments
from snakepit_cli.client.call.arguments import ArgumentsError, check_json
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Shared, UsageError, labels
from snakepit_cli.client.call.state_query import session_of, version_of
from snakepit_cli.client.json_text import JsonText
from snakepit_cli.client.state import Session

_START = "snakepit var mset temperature:=0.9 model=small --session s1"
_EXAMPLES = {
    "mget": f"{_START}; snakepit var mget temperature model --session s1",
    "mset": f"{_START}\nsnakepit var mset temperature:=0.1 model=large --atomic --session s1",
    "export": f"{_START}; snakepit var export --session s1 >variables.jsonl\n"
    "snakepit var export 'temp*' --session s1 | snakepit var import - --session s2",
    "import": f"{_START}; snakepit var export --session s1 >variables.jsonl; "
    "snakepit var import variables.jsonl --session s2",
}


def mget(
    ctx: typer.Context,
    *,
    names: Annotated[list[str], argument("NAME…", "Names of variables.")],
    session: SessionOf = None,
    json: Annotated[bool, option("--json", "Print all that is known of them, not only the values.")] = False,
) -> int:
    """Print the values of variables as one JSON object. Exit code 3 when one of them does not exist."""
    shared: Shared = ctx.obj
    name = session_of(session)
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Session(connection, name).mget(names)
    table.document(answer if json else {name: one["value"] for name, one in answer["found"].items()})
    if answer["missing"] and not json:
        Voice(shared).note(f"there is no {', '.join(answer['missing'])}")
    return 3 if answer["missing"] else 0


def mset(
    ctx: typer.Context,
    *,
    items: Annotated[list[str], argument("NAME=TEXT…", "NAME=text, NAME:=JSON, NAME=@FILE, NAME:=@FILE.")],
    atomic: Annotated[bool, option("--atomic", "All or none.")] = False,
    expect: Annotated[
        list[str] | None, option("--expect", "Only if this is its current version; repeatable.", "NAME=VERSION")
    ] = None,
    no_create: Annotated[bool, option("--no-create", "Variables that do not exist are errors.")] = False,
    meta: Facts = None,
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> int:
    """Set variables. Prints nothing when all is well; exit code 3 when some could not be set."""
    shared: Shared = ctx.obj
    name = session_of(session)
    for item in items:
        if "=" not in item[1:]:
            raise UsageError(f"{item}: write it as NAME=TEXT or NAME:=JSON")
    versions = dict(_expected(one) for one in expect or ())
    facts = labels(meta) if meta else None
    values = JsonText(arguments.build(items).decode())
    with api.Connection(opened(shared, json=json)) as connection:
        answer = Session(connection, name).mset(
            values, atomic=atomic, create=not no_create, expect=versions or None, metadata=facts
        )
    failed = [one["error"]["message"] for one in answer["results"].values() if "error" in one]
    if json:
        table.document(answer)
    else:
        for message in failed:
            err(f"error: {message}")
    return 3 if failed else 0


def _expected(word: str) -> tuple[str, int]:
    name, equals, version = word.rpartition("=")
    if not equals or not name:
        raise UsageError(f"--expect {word}: write it as NAME=VERSION")
    return name, version_of(version, f"--expect {name}")


def export(ctx: typer.Context, *, pattern: Pattern = "*", session: SessionOf = None, json: JsonAnswer = False) -> None:
    """Print variables for `import`, one JSON object a line. With --json: one list."""
    shared: Shared = ctx.obj
    name = session_of(session)
    with api.Connection(opened(shared, json=json)) as connection:
        found = Session(connection, name).export(pattern)
    if json:
        table.document(found)
    else:
        write("".join(f"{jsonlib.dumps(one)}\n" for one in found).encode())


def import_(
    ctx: typer.Context,
    *,
    source: Annotated[str, argument("FILE|-", "What `export` has printed; - is standard input.")],
    session: SessionOf = None,
    json: JsonAnswer = False,
) -> None:
    """Create the variables that `export` has printed, all or none. Those that exist are replaced."""
    shared: Shared = ctx.obj
    name = session_of(session)
    variables = _variables(arguments.read_source(source, "the input", arguments.read_stdin))
    with api.Connection(opened(shared, json=json)) as connection:
        try:
            answer = Session(connection, name).import_(variables)
        except PitError as error:
            if error.kind == "invalid_arguments":  # more than one message holds
                error.hint = "export and import fewer at a time: `snakepit var export PATTERN`"
            raise
    if json:
        table.document(answer)
    else:
        count = answer["imported"]
        Voice(shared).note(f"{count:,} variable{'' if count == 1 else 's'} imported")


def _variables(text: str) -> JsonText:
    """A JSON list of the objects in JSON lines, or in a list. Raises ArgumentsError."""
    text = text.removeprefix("\ufeff").strip()
    if text[:1] == "[":
        return JsonText(check_json(text, "the input"))
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        lines.append(check_json(line, f"line {number}"))
        if lines[-1][0] != "{":
            raise ArgumentsError("invalid_arguments", f"line {number}: must be an object, as `export` prints it")
    return JsonText(f"[{','.join(lines)}]")


def register(verbs: typer.Typer) -> None:
    for name, verb in (("mget", mget), ("mset", mset), ("export", export), ("import", import_)):
        verbs.command(name, cls=Verb, epilog=_EXAMPLES[name])(verb)
