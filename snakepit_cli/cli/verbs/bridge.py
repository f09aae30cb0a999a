"""snakepit bridge: other languages, and whether a worker of your own keeps to the contract."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated, Any

import typer

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.reference import LANGUAGES
from snakepit_cli.cli.help import Verb, argument, group, option
from snakepit_cli.cli.output import table
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.client import folders
from snakepit_cli.client.call.request import Shared, UsageError
from snakepit_cli.launch import manifest

_EXAMPLES = """
snakepit bridge list
snakepit bridge install go
snakepit bridge check --adapter node:./examples/words.mjs
"""
_FIRST = {
    "list": "snakepit bridge list\nsnakepit bridge list --json",
    "install": "snakepit bridge install node\nsnakepit bridge install go",
    "check": "snakepit bridge check --adapter ruby:./examples/words.rb\nsnakepit bridge check -- ./my-worker",
}
_MARKS = {"ok": "ok    ", "failed": "FAILED", "skipped": "-     "}
Json = Annotated[bool, option("--json", "Exactly one JSON document on stdout.")]


def list_(ctx: typer.Context, *, json: Json = False) -> None:
    """List the languages that workers can be written in, and whether their runtimes are installed."""
    found = [_python(), *(_state(manifest.load(language)) for language in LANGUAGES)]
    if json:
        table.document({"bridges": found})
        return
    rows = [(one["language"], one["version"] or "-", one["minimum"], one["state"], one["runtime"] or one["install"])
            for one in found]  # fmt: skip
    head = ("LANGUAGE", "VERSION", "NEEDS", "STATE", "RUNTIME")
    table.show(head, rows, ctx.obj, least=("NEEDS", "VERSION"), prose="RUNTIME")


def _python() -> dict[str, Any]:
    version = ".".join(map(str, sys.version_info[:3]))
    return _row("python", "ready", runtime=sys.executable, version=version, minimum="3.9", install="")


def _state(bridge: manifest.Bridge) -> dict[str, Any]:
    install = manifest.installer(bridge.runtime, bridge.package)
    try:
        runtime = bridge.find(os.environ)
    except PitError:
        return _row(bridge.language, "missing", runtime=None, version=None, minimum=bridge.minimum, install=install)
    version = bridge.version_of(runtime)
    state = "broken" if version is None else "ready" if bridge.new_enough(version) else "too old"
    return _row(bridge.language, state, runtime=runtime, version=version, minimum=bridge.minimum, install=install)


def _row(language: str, state: str, **more: str | None) -> dict[str, Any]:
    return {"language": language, "state": state, **more}


def install(
    ctx: typer.Context, language: Annotated[str, argument("LANGUAGE", f"One of {', '.join(LANGUAGES)}.")]
) -> None:
    """Prepare a bridge: find its runtime and do what would slow down the first worker. Repeatable.

    Prints the install command for a missing runtime; installs nothing.
    """
    if language not in LANGUAGES:
        raise UsageError(f"no bridge `{language}`; choose one of {', '.join(LANGUAGES)}")
    bridge = manifest.load(language)
    runtime, version = bridge.usable(os.environ)
    voice = Voice(ctx.obj)
    if bridge.prepare:
        voice.note(f"{language} {version}: compiling its standard library, once …")
        command = manifest.fill(bridge.prepare, {"runtime": runtime})
        done = subprocess.run(command, cwd=bridge.folder, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise PitError("runtime_not_executable", f"`{' '.join(command)}` has failed with {done.returncode}")
    voice.note(f"{language} {version}: ready ({runtime})")


def check(
    ctx: typer.Context,
    command: Annotated[list[str] | None, argument("COMMAND", "Command line of a worker; put -- before it.")] = None,
    *,
    adapter: Annotated[str | None, option("--adapter", "Check the bridge of this adapter.", "REF")] = None,
    json: Json = False,
) -> int:
    """Check that a worker keeps every promise of the worker contract.

    Some promises take commands that the worker has for this purpose: docs/guide/write-a-bridge.md lists them.
    """
    from snakepit_cli.conformance import run
    from snakepit_cli.settings import load

    shared: Shared = ctx.obj
    if bool(command) == (adapter is not None):
        raise UsageError("name a command line, or an adapter with --adapter")
    custom = None if adapter is None else load.load().adapters.get(adapter)
    found = []
    for finding in run.examine(tuple(command or ()), adapter, custom, os.environ, folders.current()):
        found.append(finding)
        if not json and not (shared.quiet and finding.state != "failed"):
            _tell(finding)
    failed = sum(finding.state == "failed" for finding in found)
    if json:
        checks = [{"promise": one.promise, "state": one.state, "why": one.why} for one in found]
        table.document({"checks": checks, "failed": failed})
    else:
        kept = sum(finding.state == "ok" for finding in found)
        Voice(shared).note(
            f"{kept} of {len(found)} promises kept, {failed} broken, {len(found) - kept - failed} not tried"
        )
    return 1 if failed else 0


def _tell(finding: Any) -> None:
    first, *rest = finding.why.splitlines() or [""]
    table.text(f"{_MARKS[finding.state]}  {finding.promise}" + (f": {first}" if first else ""))
    for line in rest:
        table.text(f"          {line}")


def register(app: typer.Typer) -> None:
    verbs = group("bridge", _EXAMPLES, "Languages other than Python: list, install, check.")
    for name, function in (("list", list_), ("install", install), ("check", check)):
        verbs.command(name, cls=Verb, epilog=_FIRST[name])(function)
    app.add_typer(verbs)
