"""snakepit tools: functions that processes offer to each other within a session."""

from __future__ import annotations

import socket
from typing import Annotated, Any

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli import parameters
from snakepit_cli.cli.connection import opened, perform
from snakepit_cli.cli.help import Verb, argument, group, option
from snakepit_cli.cli.options import Args, Field, Items, Json, Meta, Nan, OutputFile, Raw, Session, Timeout
from snakepit_cli.cli.output import table
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.client import api, serving
from snakepit_cli.client.call.request import Request, Shared, UsageError, encodable
from snakepit_cli.client.call.state_query import session_of
from snakepit_cli.client.connect.find import connect

_GROUP = """
snakepit tools serve helpers.py --session s1
snakepit tools list --session s1
snakepit tools call parse_json json_string='{"a": 1}' --session s1
"""
_EXAMPLES = {
    "serve": "snakepit tools serve helpers.py --session s1\nsnakepit tools serve node:./helpers.mjs --session s1",
    "list": "snakepit tools list --session s1\nsnakepit tools list 'parse*' --session s1 --json",
    "show": "snakepit tools show parse_json --session s1",
    "call": "snakepit tools call parse_json json_string='{\"a\": 1}' --session s1\n"
    "snakepit tools call count_to n:=3 --stream --session s1",
}
Name = Annotated[str, argument("NAME", "Name of the tool.")]


def serve(
    ctx: typer.Context,
    *,
    file: Annotated[str, argument("FILE", "As `up --adapter` takes it: FILE.py, FILE.py:Class, node:FILE.mjs, …")],
    session: Session = None,
) -> int:
    """Offer the functions of a file to a session, until Ctrl-C."""
    shared: Shared = ctx.obj
    name, voice = session_of(session), Voice(shared)

    def told(tools: list[dict[str, Any]]) -> None:
        names = ", ".join(tool["name"] for tool in tools)
        voice.note(f"session {name}: serving {names}; Ctrl-C ends it")

    sock = opened(shared)
    while True:
        try:
            with api.Connection(sock) as connection:
                reason = serving.serve(connection, file, name, told)
            raise PitError("tool_unavailable", f"nothing is served any more: {reason}")
        except PitError as error:
            if error.kind != "server_restarted":
                raise
        sock = _next_server(shared)
        voice.note("the server has restarted: serving again")


def _next_server(shared: Shared) -> socket.socket:
    """A connection to the server that follows the one that was lost. Raises PitError when there is none."""
    try:
        return connect(shared.instance, start=False)
    except PitError as error:
        raise PitError("tool_unavailable", "nothing is served any more: the server has stopped") from error


def list_(
    ctx: typer.Context,
    *,
    pattern: Annotated[str, argument("PATTERN", "Only tools whose name matches: *, ?, [abc].")] = "*",
    session: Session = None,
    json: Json = False,
) -> None:
    """List the tools of a session."""
    shared: Shared = ctx.obj
    found = _ask(shared, "tool_list", session, json=json, pattern=pattern)
    if json:
        table.document(found)
        return
    if not found:
        Voice(shared).note("no tools (`snakepit tools serve FILE` offers some)")
        return
    rows = [(one["name"], " ".join(map(_parameter, one["parameters"])), one["worker"], _kind(one)) for one in found]
    table.show(("TOOL", "ARGUMENTS", "OFFERED BY", "WHAT IT DOES"), rows, shared)


def show(ctx: typer.Context, *, name: Name, session: Session = None, json: Json = False) -> None:  # noqa: ARG001 — it is JSON anyway
    """Show what is known of a tool, as JSON."""
    table.document(_ask(ctx.obj, "tool_show", session, json=True, name=name))


def call(
    ctx: typer.Context,
    *,
    name: Name,
    items: Items = None,
    args: Args = None,
    session: Session = None,
    timeout: Timeout = None,
    stream: Annotated[bool, option("--stream", "Print each chunk of the answer when it comes.")] = False,
    json: Json = False,
    field: Field = None,
    raw: Raw = False,
    output_file: OutputFile = None,
    meta: Meta = None,
    nan: Nan = None,
) -> int:
    """Call a tool of a session and print its result as JSON."""
    if json and stream:
        raise UsageError("--json prints one document, --stream many: choose one of them")
    request = Request(
        ctx.obj, name, items or [], stream=stream, args=args, session=session_of(session), timeout=timeout, json=json,
        field=field, raw=raw, meta=meta, nan=nan, tool=True, output_file=output_file,
    )  # fmt: skip
    return perform(request)


def _ask(shared: Shared, op: str, session: str | None, *, json: bool, **fields: Any) -> Any:
    name = session_of(session)
    for text in fields.values():
        encodable(text)
    with api.Connection(opened(shared, json=json)) as connection:
        return connection.query(op, session=name, **fields)


def _kind(tool: dict[str, Any]) -> str:
    return ("(stream) " if tool["streaming"] else "") + str(tool["description"]).partition("\n")[0]


def _parameter(parameter: dict[str, Any]) -> str:
    text = f"{parameter['name']}{parameters.sign(parameter['type'])}{parameter['type'] or '…'}"
    return text if parameter["required"] else f"[{text}]"


def register(app: typer.Typer) -> None:
    verbs = group("tools", _GROUP, "Functions that processes offer to each other within a session.")
    for name, function in (("serve", serve), ("list", list_), ("show", show), ("call", call)):
        verbs.command(name, cls=Verb, epilog=_EXAMPLES[name])(function)
    app.add_typer(verbs)
