"""snakepit tail, streams, wait and cancel: streams that were left to themselves with `stream --detach`."""

from __future__ import annotations

import json as jsonlib
import time
from typing import Annotated

import typer

from snakepit_cli.base.durations import show
from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.cli.connection import Talking, opened
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.options import Field, Progress, Raw, ShowProgress
from snakepit_cli.cli.output import table
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.results import converse
from snakepit_cli.cli.verbs.status import running
from snakepit_cli.client import api
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import Request, Shared, UsageError, seconds
from snakepit_cli.client.call.tailing import Tail

_TAIL = """
id=$(snakepit stream ping_stream count:=5 --detach); snakepit tail $id
id=$(snakepit stream ping_stream count:=5 --detach); snakepit tail $id --from 3
id=$(snakepit stream ping_stream count:=5 --detach); snakepit tail $id --progress
"""
_STREAMS = """
snakepit streams
snakepit streams --json
"""
_WAIT = """
id=$(snakepit stream ping_stream count:=5 --detach); snakepit wait $id
id=$(snakepit stream ping_stream count:=5 --detach); snakepit wait $id --timeout 1h
"""
_CANCEL = """
id=$(snakepit stream ping_stream count:=100 --detach); snakepit cancel $id
"""
Json = Annotated[bool, option("--json", "Exactly one JSON document on stdout.")]
Ids = Annotated[list[str], argument("ID…", "Printed by `stream --detach`.")]


def detach(request: Request) -> int:
    """Begins a stream and prints its id."""
    request.check()  # arguments that cannot be used start no server
    with api.Connection(opened(request.shared, json=request.json)) as connection:
        facts = api.detach(connection, request)
    write((jsonlib.dumps(facts) if request.json else facts["id"]).encode() + b"\n")
    if not request.json:
        Voice(request.shared).next(f"snakepit tail {facts['id']}")
    return 0


def tail(
    ctx: typer.Context,
    *,
    ids: Ids,
    start: Annotated[str, option("--from", "Where to begin; N skips N chunks.", "start|end|N")] = "start",
    field: Field = None,
    raw: Raw = False,
    progress: ShowProgress = Progress.NONE,
) -> int:
    """Print the chunks of a detached stream, from its start, until its end. Ctrl-C leaves it running.

    The exit code is that of the stream. Several are printed together, each chunk with the id of its stream.
    """
    shared: Shared = ctx.obj
    if start not in {"start", "end"} and not start.isdecimal():
        raise UsageError(f"--from {start}: start, end, or a number of chunks")
    if len(ids) > 1:
        from snakepit_cli.cli import multi_tail

        return multi_tail.tail(shared, ids, start, progress.value)
    request = Tail(shared, ids[0], start, field=field, raw=raw, progress=progress.value)
    talk: Talking = converse
    if request.progress != "none":
        from snakepit_cli.cli.output import progress as pictures

        talk = pictures.talking(request)
    with opened(shared) as sock:
        return talk(sock, request)


def streams(ctx: typer.Context, *, json: Json = False) -> None:
    """List the detached streams: those that run, and those that ended within a day."""
    shared: Shared = ctx.obj
    with api.Connection(running(shared)) as connection:
        answer = api.streams(connection)
    if json:
        table.document(answer)
        return
    if not answer:
        Voice(shared).note("no detached streams (`snakepit stream COMMAND --detach` begins one)")
        return
    now = time.time()
    rows = [
        (
            one["id"], one["command"], one["pool"], one["state"], f"{one['chunks']:,}", f"{one['bytes']:,}",
            show((one["ended"] or now) - one["started"]), show(max(0.0, now - one["started"])),
            (one["error"] or {}).get("message", ""),
        )
        for one in answer
    ]  # fmt: skip
    head = ("STREAM", "COMMAND", "POOL", "STATE", "CHUNKS", "BYTES", "TOOK", "AGE", "ERROR")
    table.show(head, rows, shared, least=("AGE", "BYTES", "TOOK", "POOL", "CHUNKS", "COMMAND"), prose="ERROR")


def wait(
    ctx: typer.Context,
    *,
    ids: Ids,
    timeout: Annotated[str | None, option("--timeout", "How long to wait.", "TIME")] = None,
    json: Json = False,
) -> int:
    """Wait until detached streams are over. The exit code is that of the first one that failed."""
    shared: Shared = ctx.obj
    limit = None if timeout is None else seconds(timeout)
    with api.Connection(opened(shared, json=json)) as connection:
        answer = api.wait(connection, ids, limit)
    if json:
        table.document(answer)
    failed = [one for one in answer if one["error"]]
    for one in failed:
        Voice(shared).note(f"stream {one['id']} ({one['command']}): {one['error']['message']}")
    return int(KINDS[PitError.from_dict(failed[0]["error"]).kind].exit) if failed else 0


def cancel(
    ctx: typer.Context,
    *,
    what: Annotated[str, argument("ID|CALL", "A stream, or the number of a call (`snakepit explain --recent`).")],
    json: Json = False,
) -> None:
    """Cancel a detached stream, or any call."""
    shared: Shared = ctx.obj
    with api.Connection(running(shared)) as connection:
        answer = api.cancel(connection, int(what) if what.isdecimal() else what)
    if json:
        table.document(answer)
    else:
        Voice(shared).note(f"{what}: {'cancelled' if answer['cancelled'] else 'was over already'}")


def register(app: typer.Typer) -> None:
    for name, examples, verb in (
        ("tail", _TAIL, tail),
        ("streams", _STREAMS, streams),
        ("wait", _WAIT, wait),
        ("cancel", _CANCEL, cancel),
    ):
        app.command(name, cls=Verb, epilog=examples)(verb)
