"""snakepit var watch."""

from __future__ import annotations

import json as jsonlib
import select
from typing import Annotated

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.connection import opened
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.options import Field, Raw, SessionOf
from snakepit_cli.cli.output.json_path import Picker
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.results import shown
from snakepit_cli.client.call import state_query
from snakepit_cli.client.call.call import StoppedError, Talk, write
from snakepit_cli.client.call.request import Shared

_EXAMPLES = """
snakepit var set temperature 0.9 --session s1; snakepit var watch temperature --from 0 --session s1 | head -1
snakepit var watch --after 0 --field name --raw --session s1 | head -1
"""


_GONE = select.POLLERR | select.POLLHUP


class _Watching(Talk):
    """Ends when the reader of the output goes away, as `head` does, not only when there is something to write."""

    __slots__ = ()

    def _receive(self) -> bytes:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(1, 0)
        if any(descriptor == 1 and events & _GONE for descriptor, events in poll.poll()):
            raise StoppedError("output_closed", "the reader of the output went away")
        return super()._receive()


def watch(
    ctx: typer.Context,
    *,
    pattern: Annotated[str, argument("PATTERN", "Variables to watch: *, ?, [abc], [!abc].")] = "*",
    version: Annotated[
        str | None, option("--from", "Begin with this version of the variable PATTERN.", "VERSION")
    ] = None,
    after: Annotated[
        str | None, option("--after", "Begin with the first change after this revision of the session.", "REVISION")
    ] = None,
    session: SessionOf = None,
    json: Annotated[bool, option("--json", "JSON, also on failure; each line is a document.")] = False,
    field: Field = None,
    raw: Raw = False,
) -> int:
    """Print each change of variables when it happens, one JSON object a line, until the session ends.

    Without --from and --after it begins with the next change. To go on after an interruption, give the
    `revision` of the last line to --after.
    """
    shared: Shared = ctx.obj
    query = state_query.var_watch(shared, pattern, session=session, version=version, after=after, field=field, raw=raw)
    picker = Picker(field, raw=raw) if field is not None or raw else None

    latest = b""

    def chunks(data: bytes | memoryview) -> None:
        nonlocal latest
        latest = bytes(data)
        write(shown(latest if picker is None else picker.lines(latest), query))

    with opened(shared, json=json) as sock:
        try:
            answer = _Watching(sock, query, chunks).run()
        except StoppedError as stopped:
            raise _resumable(stopped, latest) from None
    if answer is None:
        return 130
    if picker is not None:
        picker.end()
    Voice(shared).note(jsonlib.loads(bytes(answer))["reason"])
    return 0


def _resumable(stopped: StoppedError, latest: bytes) -> Exception:
    """Says how to go on when the server was lost after these changes."""
    if stopped.kind != "server_restarted" or not latest:
        return stopped
    revision = jsonlib.loads(latest.splitlines()[-1])["revision"]
    return PitError(stopped.kind, stopped.message, hint=f"go on with --after {revision}")


def register(verbs: typer.Typer) -> None:
    verbs.command("watch", cls=Verb, epilog=_EXAMPLES)(watch)
