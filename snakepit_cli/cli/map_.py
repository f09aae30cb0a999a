"""snakepit map."""

from __future__ import annotations

import enum
import os
import stat
import time
from collections.abc import Callable
from typing import Annotated

import typer

from snakepit_cli.base import arguments
from snakepit_cli.base.durations import show
from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.calls import current, opened
from snakepit_cli.cli.exec_ import Command, Items, Pool, Progress, Session, ShowProgress
from snakepit_cli.cli.help import Verb, option
from snakepit_cli.cli.say import Voice, err
from snakepit_cli.client import api
from snakepit_cli.client import joblog as joblogs
from snakepit_cli.client.blocks import Tally
from snakepit_cli.client.bulk import Plan, Run
from snakepit_cli.client.joblog import Joblog
from snakepit_cli.client.request import Shared, UsageError, pool_name, seconds
from snakepit_cli.client.talk import StoppedError, write

_EXAMPLES = """
seq 5 | snakepit map compute operation=sqrt --arg a
printf '{"a": 1}\\n{"a": 2}\\n' | snakepit map compute operation=add b:=10
printf 'one\\ntwo\\n' | snakepit map echo --lines --arg text --unordered
seq 9 | snakepit map compute operation=sqrt --arg a --joblog log --resume --output roots
"""
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
_BAR = 20
_EVERY_SECONDS = {"plain": 10.0, "jsonl": 1.0, "bar": 0.2}


class OnError(enum.StrEnum):
    RECORD = "record"
    STOP = "stop"


def map_(
    ctx: typer.Context,
    *,
    command: Command,
    items: Items = None,
    input_: Annotated[str, option("--input", "Where the lines come from.", "FILE|-")] = "-",
    output: Annotated[str, option("--output", "Where the answers go.", "FILE|-")] = "-",
    arg: Annotated[str, option("--arg", "Argument for an item that is no object.", "NAME")] = "item",
    lines: Annotated[bool, option("--lines", "The lines are text, not JSON.")] = False,
    unordered: Annotated[bool, option("--unordered/--ordered", "Print answers as they come.")] = False,
    envelope: Annotated[
        bool, option("--envelope", "Each answer says its line: {line, result} or {line, error}.")
    ] = False,
    on_error: Annotated[
        OnError, option("--on-error", "What an item that fails does: its error is printed, or all ends.", "record|stop")
    ] = OnError.RECORD,
    max_failures: Annotated[int | None, option("--max-failures", "End when more items than that fail.", "N")] = None,
    retries: Annotated[int, option("--retries", "More chances for an item whose worker died.", "N")] = 0,
    timeout: Annotated[str | None, option("--timeout", "How long one item may take.", "TIME")] = None,
    joblog: Annotated[str | None, option("--joblog", "Note there what is done.", "FILE")] = None,
    resume: Annotated[bool, option("--resume", "Continue what the joblog says was begun.")] = False,
    resume_failed: Annotated[bool, option("--resume-failed", "The same; what failed is run again, too.")] = False,
    pool: Pool = None,
    session: Session = None,
    progress: ShowProgress = Progress.NONE,
) -> int:
    """Call a command for every line of the input: one JSON value a line in, one JSON line out, in the same order.

    An object is the arguments, any other value the argument named by --arg. An item that fails
    leaves {"error": …} in its place, and the exit code is 3.
    """
    shared: Shared = ctx.obj
    if retries < 0 or (max_failures is not None and max_failures < 0):
        raise UsageError("--retries and --max-failures: at least 0")
    plan = Plan(
        command=command,
        # Line breaks in JSON are space, and here they would end the arguments.
        fixed=arguments.build(tuple(items or ()), None).replace(b"\n", b" ").replace(b"\r", b" "),
        pool=pool_name(pool),
        session=session or os.environ.get("SNAKEPIT_SESSION") or None,
        timeout=None if timeout is None else seconds(timeout),
        item=arg,
        text=lines,
        ordered=not unordered,
        retries=retries,
        most_failures=0 if on_error is OnError.STOP else max_failures,
        envelope=envelope,
    )
    if (resume or resume_failed) and joblog is None:
        raise UsageError("--resume needs the joblog of the run (--joblog FILE)")
    source = 0 if input_ == "-" else _input(input_)
    workers = _workers(shared, plan)
    sink = None if output == "-" else _output(output)
    log = None if joblog is None else _joblog(joblog, plan, sink, resume=resume, failed_too=resume_failed)
    if sink is not None and _regular(sink):
        os.ftruncate(sink, 0 if log is None else log.offset)
        os.lseek(sink, 0, os.SEEK_END)
    run = Run(plan, source, workers, write if sink is None else _writer(sink), log)
    picture = Picture(plan.command, progress.value)
    try:
        run.run(lambda: opened(shared), picture.seen)
    finally:
        picture.end(run.tally)
    return _verdict(run.tally, Voice(shared))


def _workers(shared: Shared, plan: Plan) -> int:
    """How many the pool has; the pool is started. A command that is not there fails before any input is read."""
    with current(shared) as connection:
        known = api.commands(connection, plan.pool)
        names = [one["name"] for one in known["commands"]]
        if plan.command not in names:
            connection.call(plan.command, pool=known["pool"])  # its error says what is near
        return int(next(one["size"] for one in api.status(connection)["pools"] if one["name"] == known["pool"]))


def _joblog(path: str, plan: Plan, sink: int | None, *, resume: bool, failed_too: bool) -> Joblog:
    what = {"command": plan.command, "fixed": plan.fixed.decode("utf-8", "replace"), "envelope": plan.envelope}
    if not resume and not failed_too:
        return joblogs.start(path, what)
    most = os.fstat(sink).st_size if sink is not None and _regular(sink) else None
    return joblogs.resume(path, what, failed_too=failed_too, most=most)


def _regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _input(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise PitError("input_not_found", f"{path}: {getattr(error, 'strerror', error)}") from None


def _output(path: str) -> int:
    try:
        return os.open(path, _WRITE, 0o666)
    except (OSError, ValueError) as error:
        raise PitError("output_failed", f"{path}: {getattr(error, 'strerror', error)}") from None


def _writer(sink: int) -> Callable[[bytes], None]:
    def into(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(sink, data) :]
            except OSError as error:
                raise StoppedError("output_failed", f"cannot write the output: {error.strerror}") from None

    return into


def _verdict(tally: Tally, voice: Voice) -> int:
    if not tally.failed or tally.first_error is None:
        return 0
    first = tally.first_error
    voice.note(f"{tally.failed} of {tally.done} items failed; the first: line {first['line']}: {first['message']}")
    return 3


class Picture:
    """Progress on stderr: items, rate, failures."""

    def __init__(self, command: str, kind: str) -> None:
        if kind == "auto":
            kind = "bar" if os.isatty(2) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI") else "plain"
        self._kind = kind
        self._command = command
        self._started = self._drawn = time.monotonic()

    def seen(self, tally: Tally) -> None:
        if self._kind != "none" and (now := time.monotonic()) - self._drawn >= _EVERY_SECONDS[self._kind]:
            self._drawn = now
            self._draw(tally, now)

    def end(self, tally: Tally) -> None:
        if self._kind == "none":
            return
        self._draw(tally, time.monotonic())
        if self._kind == "bar":
            err("")

    def _draw(self, tally: Tally, now: float) -> None:
        took = max(now - self._started, 1e-6)
        share = min(1.0, tally.taken / tally.size) if tally.size else None
        if self._kind == "jsonl":
            facts = {"command": self._command, "items": tally.done, "failed": tally.failed, "seconds": round(took, 3)}
            if tally.skipped:
                facts["skipped"] = tally.skipped
            if share is not None:
                facts["percent"] = round(100 * share, 1)
            import json

            err(json.dumps(facts))
            return
        text = (
            f"{self._command}: {tally.done:,} items, {tally.done / took:,.0f}/s, {tally.failed:,} failed, {show(took)}"
        )
        if share and share < 1:
            text += f", {show(took * (1 - share) / share)} left"
        if self._kind == "bar":
            full = round(_BAR * share) if share is not None else 0
            bar = f"{'━' * full}{'╌' * (_BAR - full)} {100 * share:3.0f}%  " if share is not None else ""
            os.write(2, f"\r\x1b[K{bar}{text}".encode())
        else:
            err(text)


def register(app: typer.Typer) -> None:
    app.command("map", cls=Verb, epilog=_EXAMPLES)(map_)
