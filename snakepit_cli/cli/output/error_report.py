"""An error as a person or a program reads it, and its exit code. The only place where errors become words."""

from __future__ import annotations

import json

from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.cli.output.color import DIM, RED, enabled
from snakepit_cli.cli.output.messages import err
from snakepit_cli.cli.output.shipped import verb_of
from snakepit_cli.client.call.arguments import ArgumentsError
from snakepit_cli.client.call.call import RefusedError, StoppedError, write
from snakepit_cli.client.call.request import Shared, UsageError, hoist


def report(error: BaseException, argv: list[str]) -> int:
    """Says it, as JSON on stdout when `argv` has --json; returns the exit code."""
    try:
        shared, rest = hoist(argv)
    except UsageError:
        shared, rest = Shared(), argv
    found = as_pit_error(error)
    if shared.debug:
        import traceback

        err("".join(traceback.format_exception(error)).rstrip())
    if found.kind == "output_closed" or isinstance(error, KeyboardInterrupt):
        return found.exit_code
    _point_to_the_verb(found, rest)
    if "--json" in rest[: rest.index("--") if "--" in rest else None]:
        try:
            write(json.dumps({"error": found.as_dict()}).encode() + b"\n")
        except StoppedError:
            pass
        else:
            return found.exit_code
    color = enabled(2, shared.color)
    for line, style in story(found):
        err(line, style, color=color, styled=len("error:") if style == RED else None)
    return found.exit_code


_WITHOUT_COMMANDS = {"var", "program", "session", "sessions"}
"""Verbs that call no command: arguments of one are no help."""


def _point_to_the_verb(error: PitError, argv: list[str]) -> None:
    if error.hint != KINDS[error.kind].hint or not (verb := verb_of(argv)):
        return
    if error.kind == "usage" or (error.kind == "invalid_arguments" and verb.split()[0] in _WITHOUT_COMMANDS):
        error.hint = f"run `snakepit {verb} --help`"


def as_pit_error(error: BaseException) -> PitError:
    if isinstance(error, PitError):
        return error
    if isinstance(error, RefusedError):
        from snakepit_cli.client.error_frames import error_of

        return error_of(error.body)
    if isinstance(error, ArgumentsError):
        return PitError(error.kind, error.message, hint=error.hint)
    if isinstance(error, StoppedError):
        return PitError(error.kind, error.message, hint=error.hint)
    return _foreign(error)


def _foreign(error: BaseException) -> PitError:
    if isinstance(error, UsageError):
        return PitError("usage", str(error))
    if isinstance(error, BrokenPipeError):
        return PitError("output_closed", "the reader of the output went away")
    if isinstance(error, KeyboardInterrupt):
        return PitError("interrupted", "interrupted")
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return PitError("internal", text, hint="run it again with --debug to see where")


def story(error: PitError) -> list[tuple[str, str]]:
    """What happened, what is known about it, what to do: lines, each with its style."""
    detail = error.detail
    name = detail.get("type")
    message = error.message if not name or error.message.startswith(str(name)) else f"{name}: {error.message}"
    lines = [(f"error: {message.strip() or KINDS[error.kind].cause}", RED)]
    if trace := detail.get("traceback"):
        language = f" ({detail['language']})" if detail.get("language") else ""
        lines += [(f"Traceback from the worker{language}:", ""), (_body(str(trace)), "")]
    if log := detail.get("log"):
        whose = f" of {detail['worker']}" if detail.get("worker") else ""
        lines += [(f"last lines of the log{whose}:", ""), *((f"  {line}", "") for line in log)]
    if error.hint:
        lines.append((f"hint: {error.hint}", DIM))
    return lines


def _body(trace: str) -> str:
    """Python's own first line would only repeat ours."""
    return trace.strip("\n").removeprefix("Traceback (most recent call last):\n")
