"""The Typer application: every verb, and what is done about any way in which it can end."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.front_page import SHORT
from snakepit_cli.cli.help import group
from snakepit_cli.cli.output.error_report import report
from snakepit_cli.client.call.call import raise_interrupts, write
from snakepit_cli.client.call.request import hoist

# Typer does not export these two under names of its own, and where they come from has changed.
_UsageError: Any = typer.BadParameter.__base__
_ClickError: Any = _UsageError.__base__

_EXAMPLES = """
snakepit exec ping
snakepit exec compute operation=multiply a:=7 b:=6 --field result
snakepit up words --adapter words.py --size 4
snakepit status
snakepit down
"""

# In the order of the help. A verb is in the file of its name unless it says another one here.
_FILES = {
    "exec": "exec_", "stream": "exec_", "commands": "exec_", "map": "map_",
    **dict.fromkeys(("tail", "streams", "wait", "cancel"), "streams"),
    "session": "session", "sessions": "session", "var": "var", "program": "program", "tools": "tools",
    "up": "up", "down": "down", **dict.fromkeys(("scale", "restart", "pause", "resume", "drain"), "pools"),
    **dict.fromkeys(("status", "workers"), "status"),
    **{name: name for name in ("explain", "logs", "reap", "adapters", "bridge", "server", "debug", "completion")},
}  # fmt: skip


_OTHERS = {"run": "exec", "ls": "status", "ps": "status", "start": "up", "stop": "down"}
"""Verbs that similar tools have, and ours."""


_FILE_VERBS = {"exec", "stream", "map", "bridge", "adapters"}
"""Verbs that read files here: their names may be any bytes. These verbs check what they send themselves."""


def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        write(f"snakepit {__version__}\n".encode())
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        write(SHORT.encode())


def command(verb: str | None = None) -> Any:
    """The tree of verbs, or of it only what this word can mean: each file of verbs takes time to import."""
    alone = verb in _FILES and verb != "completion"  # that one describes all the others
    names = [_FILES[str(verb)]] if alone else dict.fromkeys(_FILES.values())
    app = group("snakepit", _EXAMPLES, "Warm, supervised pools of workers in any language.", alone=True)
    app.callback()(_root)
    for name in names:
        importlib.import_module(f"snakepit_cli.cli.verbs.{name}").register(app)
    return typer.main.get_command(app)


def run(argv: list[str]) -> int:
    """Exit code. Whatever goes wrong is told here."""
    _occupy_standard_descriptors()
    try:
        code = _dispatch(argv)
        if sys.stdout is not None:  # closed
            sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 — whatever it is, a person reads a sentence, not a traceback
        return report(error, argv)
    return code


def _dispatch(argv: list[str]) -> int:
    try:
        shared, rest = hoist(argv)
        _check_text(rest)
        if rest in (["-V"], ["version"]):
            rest = ["--version"]
        if rest[:1] == ["help"]:
            rest = [*rest[1:], "--help"]
        if rest and rest[0] in _OTHERS:
            ours = _OTHERS[rest[0]]
            raise PitError("usage", f"snakepit has no verb `{rest[0]}`", hint=f"did you mean `snakepit {ours}`?")
        with command(rest[0] if rest else None).make_context("snakepit", rest, obj=shared) as ctx:
            raise_interrupts()
            result = ctx.command.invoke(ctx)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _ClickError as error:
        from snakepit_cli.cli import usage_errors

        raise usage_errors.told(error, rest) from error
    return result if isinstance(result, int) else 0


def _check_text(words: list[str]) -> None:
    """Refuses what no message can hold. Raises PitError naming it, without its value, which may be secret."""
    if words[:1] and words[0] in _FILE_VERBS:
        return
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            name, equals, _ = word.partition("=")
            shown = repr(os.fsencode(name)).removeprefix("b") if not equals or not name.isprintable() else name
            raise PitError("usage", f"{shown}: not UTF-8 text") from None


def _occupy_standard_descriptors() -> None:
    """A standard stream that was closed would be opened again as a socket or a file of ours."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Reading from it ends at once, writing to it fails, as it would have.
            os.open(os.devnull, os.O_RDONLY)
