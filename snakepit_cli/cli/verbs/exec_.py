"""snakepit exec, stream and commands."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from snakepit_cli.cli import parameters
from snakepit_cli.cli.connection import opened, perform
from snakepit_cli.cli.help import Verb, option
from snakepit_cli.cli.options import (
    Affinity,
    Args,
    Command,
    Field,
    Idempotent,
    Items,
    Json,
    Meta,
    Nan,
    OutputFile,
    Pool,
    Progress,
    Raw,
    Session,
    ShowProgress,
    Timeout,
)
from snakepit_cli.cli.output import table
from snakepit_cli.client import api
from snakepit_cli.client.call.request import Request, Shared, pool_name

_EXEC = """
snakepit exec ping
snakepit exec compute operation=multiply a:=7 b:=6 --field result
snakepit exec echo text=@notes.txt --timeout 2m
snakepit exec compute --args '{"operation": "sqrt", "a": 2}'
cat data.json | snakepit exec echo data:=@-
snakepit exec echo photo@=photo.png --field photo --output-file copy.png
"""
_STREAM = """
snakepit stream ping_stream count:=1000 | head -3
snakepit stream process_large_dataset file_path=big.csv --progress
snakepit stream tail_and_analyze log_path=app.log follow:=false --field log_line --raw
snakepit stream ping_stream count:=10 --detach
"""
_COMMANDS = """
snakepit commands
snakepit commands --pool words
snakepit commands --json
"""


def exec_(
    ctx: typer.Context,
    *,
    command: Command,
    items: Items = None,
    args: Args = None,
    pool: Pool = None,
    session: Session = None,
    timeout: Timeout = None,
    affinity: Affinity = None,
    meta: Meta = None,
    nan: Nan = None,
    idempotent: Idempotent = False,
    json: Json = False,
    field: Field = None,
    raw: Raw = False,
    output_file: OutputFile = None,
) -> int:
    """Call a command and print its result as JSON. Starts the server and the pool when needed."""
    request = Request(
        ctx.obj, command, items or [], stream=False, args=args, pool=pool, session=session, timeout=timeout,
        json=json, field=field, raw=raw, affinity=affinity, idempotent=idempotent, meta=meta, nan=nan,
        output_file=output_file,
    )  # fmt: skip
    return perform(request)


def stream(
    ctx: typer.Context,
    *,
    command: Command,
    items: Items = None,
    args: Args = None,
    pool: Pool = None,
    session: Session = None,
    timeout: Timeout = None,
    affinity: Affinity = None,
    meta: Meta = None,
    nan: Nan = None,
    detach: Annotated[bool, option("--detach", "Run it in the background and print its id; see `tail`.")] = False,
    json: Json = False,
    field: Field = None,
    raw: Raw = False,
    progress: ShowProgress = Progress.NONE,
) -> int:
    """Call a command and print each chunk of its answer when it comes, one JSON value a line."""
    request = Request(
        ctx.obj, command, items or [], stream=True, args=args, pool=pool, session=session, timeout=timeout,
        json=json, field=field, raw=raw, progress=progress.value, affinity=affinity, meta=meta, nan=nan,
    )  # fmt: skip
    if detach:
        from snakepit_cli.cli.verbs import streams

        return streams.detach(request)
    if request.progress == "none":
        return perform(request)
    from snakepit_cli.cli.output import progress as pictures

    return perform(request, pictures.talking(request))


def commands(
    ctx: typer.Context,
    *,
    pool: Pool = None,
    json: Json = False,
) -> None:
    """List the commands of a pool's adapter."""
    shared: Shared = ctx.obj
    name = pool_name(pool)
    with api.Connection(opened(shared, json=json)) as connection:
        answer = api.commands(connection, name)
    if json:
        table.document(answer)
        return
    rows = [
        (
            one["name"],
            " ".join([*map(_parameter, one["parameters"]), *(["[KEY=VALUE]..."] if one["open"] else [])]),
            _kind(one),
        )
        for one in answer["commands"]
    ]
    if os.isatty(1):
        table.entries(rows, shared)
    else:
        table.show(("COMMAND", "ARGUMENTS", "WHAT IT DOES"), rows, shared)


def _kind(command: api.Json) -> str:
    return ("(stream) " if command["streaming"] else "") + str(command["summary"]).partition("\n")[0]


def _parameter(parameter: api.Json) -> str:
    kind = str(parameter["type"])
    text = f"{parameter['name']}{parameters.sign(kind)}{_values(kind)}"
    return text if parameter["required"] else f"[{text}]"


def _values(kind: str) -> str:
    text = "|".join(parameters.choices(kind)) if parameters.sign(kind) == "=" else ""
    return text or kind or "…"


def register(app: typer.Typer) -> None:
    app.command("exec", cls=Verb, epilog=_EXEC)(exec_)
    app.command("stream", cls=Verb, epilog=_STREAM)(stream)
    app.command("commands", cls=Verb, epilog=_COMMANDS)(commands)
