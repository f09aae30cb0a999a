"""snakepit map."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from snakepit_cli.cli import mapping
from snakepit_cli.cli.help import Verb, option
from snakepit_cli.cli.options import Command, Items, Meta, Nan, Pool, Progress, Session, ShowProgress
from snakepit_cli.client.call.request import Shared

_EXAMPLES = """
seq 5 | snakepit map compute operation=sqrt --arg a
printf '{"a": 1}\\n{"a": 2}\\n' | snakepit map compute operation=add b:=10
printf 'one\\ntwo\\n' | snakepit map echo --lines --arg text --unordered
printf 'a,b\\n1,2\\n' | snakepit map compute operation=add --from csv --to csv
seq 9 | snakepit map compute operation=sqrt --arg a --joblog log --resume --output roots
"""


class OnError(enum.StrEnum):
    RECORD = "record"
    STOP = "stop"


def map_(
    ctx: typer.Context,
    *,
    command: Command,
    items: Items = None,
    source: Annotated[str, option("--input", "Read lines from this file.", "FILE|-")] = "-",
    sink: Annotated[str, option("--output", "Write answers to this file.", "FILE|-")] = "-",
    form_in: Annotated[
        str | None, option("--from", "Form of the input; else as --input ends.", "jsonl|csv|tsv|parquet|arrow")
    ] = None,
    form_out: Annotated[
        str | None, option("--to", "Form of the output; else as --output ends.", "jsonl|csv|tsv")
    ] = None,
    arg: Annotated[
        str | None, option("--arg", "The argument that an item becomes: with --arg a, the line 5 is a:=5.", "NAME")
    ] = None,
    lines: Annotated[bool, option("--lines", "The lines are strings, not JSON.")] = False,
    batch: Annotated[int | None, option("--batch", "Give the command N items at a time, as a list.", "N")] = None,
    unordered: Annotated[bool, option("--unordered/--ordered", "Print answers as they come.")] = False,
    envelope: Annotated[
        bool, option("--envelope", "Each answer says its line: {line, result} or {line, error}.")
    ] = False,
    on_error: Annotated[
        OnError, option("--on-error", "What to do on a failed item: record its error or stop.", "record|stop")
    ] = OnError.RECORD,
    max_failures: Annotated[int | None, option("--max-failures", "Stop when more than N have failed.", "N")] = None,
    retries: Annotated[int, option("--retries", "How often an item is retried after a worker crash.", "N")] = 0,
    timeout: Annotated[str | None, option("--timeout", "How long one item may take.", "TIME")] = None,
    joblog: Annotated[str | None, option("--joblog", "File that records which items are done.", "FILE")] = None,
    resume: Annotated[bool, option("--resume", "Continue the run that the joblog records.")] = False,
    resume_failed: Annotated[bool, option("--resume-failed", "Continue, and run failed items again.")] = False,
    pool: Pool = None,
    session: Session = None,
    meta: Meta = None,
    nan: Nan = None,
    progress: ShowProgress = Progress.NONE,
) -> int:
    """Call a command for every line of the input: one JSON value a line in, one JSON line out, in the same order.

    An object is the arguments, any other value the argument named by --arg. An item that fails
    leaves {"error": …} in its place, and the exit code is 3. Rows of CSV are items, too (--from csv).
    """
    shared: Shared = ctx.obj
    return mapping.perform(
        shared, command, items or [], source=source, sink=sink, form_in=form_in, form_out=form_out, arg=arg,
        lines=lines, batch=batch, unordered=unordered, envelope=envelope, on_error=on_error.value,
        max_failures=max_failures, retries=retries, timeout=timeout, joblog=joblog, resume=resume,
        resume_failed=resume_failed, pool=pool, session=session, meta=meta, nan=nan, progress=progress.value,
    )  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command("map", cls=Verb, epilog=_EXAMPLES)(map_)
