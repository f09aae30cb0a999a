"""What `snakepit map` does. Both parsers of the command line come here, so Typer is not imported."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.write_hints import write_hint
from snakepit_cli.cli.connection import current, opened
from snakepit_cli.cli.output import live
from snakepit_cli.cli.output.map_progress import Picture
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.terminal import escape_json
from snakepit_cli.client import api
from snakepit_cli.client.call import arguments
from snakepit_cli.client.call.call import StoppedError, write
from snakepit_cli.client.call.request import Shared, UsageError, encodable, labels, limit, nan_form, pool_name
from snakepit_cli.client.map import joblog as joblogs
from snakepit_cli.client.map.blocks import MOST_BATCH, Tally
from snakepit_cli.client.map.descriptors import is_file, widen
from snakepit_cli.client.map.joblog import Joblog
from snakepit_cli.client.map.run import Plan, Run
from snakepit_cli.client.map.tables import forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from snakepit_cli.client.map.tables.sheet import Sheet
    from snakepit_cli.client.map.tables.table import Table

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
_ATTEMPTS = 5
"""To learn from the server what there is to run."""


def perform(
    shared: Shared, command: str, items: list[str], *, source: str = "-", sink: str = "-", arg: str | None = None,
    form_in: str | None = None, form_out: str | None = None,
    lines: bool = False, batch: str | int | None = None, unordered: bool = False, envelope: bool = False,
    on_error: str = "record", max_failures: int | None = None, retries: int = 0, timeout: str | None = None,
    joblog: str | None = None, resume: bool = False, resume_failed: bool = False, pool: str | None = None,
    session: str | None = None,
    meta: list[str] | None = None, progress: str = "none", nan: str | None = None,
) -> int:  # fmt: skip
    """Exit code. The parameters are the options of the verb. Raises PitError, UsageError, StoppedError."""
    if retries < 0 or (max_failures is not None and max_failures < 0):
        raise UsageError("--retries and --max-failures: at least 0")
    for text in (command, arg or "", session or ""):
        encodable(text)
    row = None if batch is not None else arg  # an item of a batch is a whole row
    form = Forms(forms.of_source(form_in, source, text=lines), forms.of_sink(form_out, sink), row, numbered=envelope)
    plan = Plan(
        command=command,
        # Line breaks in JSON are space, and here they would end the arguments.
        fixed=arguments.build(tuple(items), None).replace(b"\n", b" ").replace(b"\r", b" "),
        pool=pool_name(pool),
        session=session or os.environ.get("SNAKEPIT_SESSION") or None,
        timeout=None if timeout is None else limit(timeout),
        item=arg or "item",
        batch=0 if batch is None else _batch(batch),
        text=lines,
        ordered=not unordered,
        retries=retries,
        most_failures=0 if on_error == "stop" else max_failures,
        envelope=envelope and form.sink == forms.LINES,
        metadata=labels(meta) if meta else None,
        nan=None if nan is None else nan_form(nan),
    )
    if (resume or resume_failed) and joblog is None:
        raise UsageError("--resume needs the joblog of the run (--joblog FILE)")
    if source == "-" and sys.stdin is None:  # closed; the number may be a socket of ours by now
        source = os.devnull
    _apart({"the input": source, "the output": sink, "the joblog": joblog})
    taken = _input(source)
    workers, hints = _workers(shared, plan)
    table = form.table(taken, hints.parameters if batch is None else [], nan_is_null=plan.nan == "null")
    given = None if sink == "-" else _output(sink)
    for one in (taken, 1 if given is None else given):
        widen(one)
    log = None if joblog is None else _joblog(joblog, plan, form, given, resume=resume, failed_too=resume_failed)
    if given is not None and is_file(given):
        os.ftruncate(given, 0 if log is None else log.offset)
        os.lseek(given, 0, os.SEEK_END)
    into = _aside if given is None else _writer(given)
    run = Run(plan, taken, workers, into, log, table=table, sheet=form.sheet(log))
    _run(run, shared, Picture(shared, plan.command, progress), joblog=log is not None)
    return _verdict(run.tally, Voice(shared), hints)


def _batch(given: str | int) -> int:
    """How many items the handler takes at a time. Raises UsageError."""
    try:
        count = int(given)
    except ValueError:
        count = 0
    if not 1 <= count <= MOST_BATCH:
        raise UsageError(f"--batch {given}: must be a number of items from 1 to {MOST_BATCH:,}")
    return count


def _run(run: Run, shared: Shared, picture: Picture, *, joblog: bool) -> None:
    picture.begin(run.tally)
    try:
        run.run(lambda: opened(shared), picture.seen)
    except KeyboardInterrupt:
        picture.interrupted(run.tally, run.total(), joblog=joblog)
        raise
    except BaseException:
        picture.stop(run.tally)
        raise
    picture.end(run.tally)


def _aside(data: bytes) -> None:
    """To standard output, which may be the terminal that shows the progress."""
    if os.isatty(1):
        with live.aside():
            write(escape_json(data.decode(errors="replace")).encode())
    else:
        write(data)


def _workers(shared: Shared, plan: Plan) -> tuple[int, Hints]:
    """How many the pool has; the pool is started. A command that is not there fails before any input is read.

    A server that is restarted meanwhile is asked again, as it is later in the run.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _ask(shared, plan)
        except PitError as error:
            if error.kind != "server_restarted":
                raise
    return _ask(shared, plan)


def _ask(shared: Shared, plan: Plan) -> tuple[int, Hints]:
    with current(shared) as connection:
        known = api.commands(connection, plan.pool)
        found = next((one for one in known["commands"] if one["name"] == plan.command), None)
        if found is None:
            connection.call(plan.command, pool=known["pool"])  # its error says what is near
        size = next(one["size"] for one in api.status(connection)["pools"] if one["name"] == known["pool"])
        return int(size), Hints(plan, [] if found is None else found.get("parameters", []))


class Hints:
    """What an item that failed may want."""

    def __init__(self, plan: Plan, parameters: list[api.Json]) -> None:
        self._plan = plan
        self.parameters = parameters
        given = arguments.members(plan.fixed.decode(), "arguments")
        free = [one for one in parameters if one["name"] not in given]
        self._free = next((one["name"] for one in [*(one for one in free if one["required"]), *free]), "NAME")

    def of(self, error: dict[str, object]) -> str | None:
        plan, message = self._plan, str(error["message"])
        if error["kind"] != "invalid_arguments":
            return None
        if "JSON" in message and not plan.text:
            return "are the lines text? then use --lines" + (f" --arg {self._free}" if plan.item == "item" else "")
        if plan.item == "item" and "`item`" in message:
            return f"name the argument that an item is: --arg {self._free}"
        return None


@dataclass(frozen=True)
class Forms:
    """What the input and the output are. `arg` is the argument that a whole row becomes, if it is to be one."""

    source: str
    sink: str
    arg: str | None
    numbered: bool
    """Each answer says its line."""

    def facts(self) -> dict[str, Any]:
        """What a continued run has to have in common; as for a run before there were tables, when there are none."""
        found = {"from": self.source, "to": self.sink, "row": self.arg if self.source != forms.LINES else None}
        return {name: value if value != forms.LINES else None for name, value in found.items()}

    def table(self, descriptor: int, parameters: list[api.Json], *, nan_is_null: bool) -> Table | None:
        """What reads the input when it has no lines."""
        if self.source == forms.LINES:
            return None
        _find_packages()
        if self.source in forms.COLUMNAR:
            from snakepit_cli.client.map.tables.arrow import ArrowTable

            return ArrowTable(descriptor, self.source, parameters, whole=self.arg, nan_is_null=nan_is_null)
        from snakepit_cli.client.map.tables.table import CsvTable

        return CsvTable(descriptor, forms.SEPARATORS[self.source], parameters, whole=self.arg)

    def sheet(self, log: Joblog | None) -> Callable[[Tally], Sheet] | None:
        """What makes the output when that has no lines."""
        if self.sink == forms.LINES:
            return None
        _find_packages()
        from snakepit_cli.client.map.tables.sheet import Sheet

        def make(tally: Tally) -> Sheet:
            return Sheet(
                forms.SEPARATORS[self.sink], tally, numbered=self.numbered, columns=log.columns if log else None,
                begun=bool(log and log.offset), made=log.name_columns if log else None,
            )  # fmt: skip

        return make


def _find_packages() -> None:
    """scripts/snakepit starts us without `site`; msgspec may be in another place than we are."""
    if sys.flags.no_site:
        import site

        site.main()


def _apart(files: dict[str, str | None]) -> None:
    """Refuses one file in two roles: it would be cut or read again as it grows. Raises UsageError."""
    seen: dict[tuple[int, int] | str, str] = {}
    for role, path in files.items():
        if path is None or (found := _identity(path, 0 if role == "the input" else 1)) is None:
            continue
        if found in seen:
            raise UsageError(f"{seen[found]} and {role} are the same file{'' if path == '-' else f', {path}'}")
        seen[found] = role


def _identity(path: str, standard: int) -> tuple[int, int] | str | None:
    """What a file is known by, whatever its names; None for what is no plain file."""
    try:
        about = os.fstat(standard) if path == "-" else os.stat(path)
    except (OSError, ValueError):
        return None if path == "-" else os.path.realpath(path)
    return (about.st_dev, about.st_ino) if stat.S_ISREG(about.st_mode) else None


def _joblog(path: str, plan: Plan, form: Forms, sink: int | None, *, resume: bool, failed_too: bool) -> Joblog:
    what = {
        "command": plan.command, "fixed": plan.fixed.decode("utf-8", "replace"), "envelope": form.numbered,
        "arg": plan.item, "lines": plan.text, "pool": plan.pool, "batch": plan.batch or None, **form.facts(),
    }  # fmt: skip
    if not resume and not failed_too:
        return joblogs.start(path, what)
    most = os.fstat(sink).st_size if sink is not None and is_file(sink) else None
    return joblogs.resume(path, what, failed_too=failed_too, most=most)


def _input(path: str) -> int:
    """A descriptor from which lines can be read. A directory can be opened, but not read."""
    name = "standard input" if path == "-" else path
    try:
        taken = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if stat.S_ISDIR(os.fstat(taken).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except (OSError, ValueError) as error:
        raise PitError("input_not_found", f"{name}: {getattr(error, 'strerror', error)}") from None
    return taken


def _output(path: str) -> int:
    try:
        return os.open(path, _WRITE, 0o666)
    except (OSError, ValueError) as error:
        text, hint = f"{path}: {getattr(error, 'strerror', error)}", write_hint(getattr(error, "errno", None))
        raise PitError("output_failed", text, hint=hint) from None


def _writer(sink: int) -> Callable[[bytes], None]:
    def into(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(sink, data) :]
            except OSError as error:
                text = f"cannot write the output: {error.strerror}"
                raise StoppedError("output_failed", text, write_hint(error.errno)) from None

    return into


def _verdict(tally: Tally, voice: Voice, hints: Hints) -> int:
    if not tally.failed or tally.first_error is None:
        return 0
    first = tally.first_error
    voice.note(f"{tally.failed} of {tally.done} items failed; the first: line {first['line']}: {first['message']}")
    if (hint := hints.of(first)) is not None:
        voice.hint(hint)
    return 3
