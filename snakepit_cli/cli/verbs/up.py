"""snakepit up."""

from __future__ import annotations

import enum
import os
import time
from typing import Annotated

import typer

from snakepit_cli.base.durations import show
from snakepit_cli.base.errors import PitError
from snakepit_cli.cli.connection import current
from snakepit_cli.cli.help import Verb, argument, option
from snakepit_cli.cli.output import table, waiting
from snakepit_cli.cli.output.messages import Voice
from snakepit_cli.cli.output.status_view import workers_ready
from snakepit_cli.client import api, folders, runtimes
from snakepit_cli.client.call.request import Shared, UsageError, pool_name, seconds

_EXAMPLES = """
snakepit up
snakepit up --size 8
snakepit up words --adapter words.py:Words --size 2 --timeout 3m
snakepit up tuned --adapter words.py --size 1 --env OMP_NUM_THREADS=4
"""


class Contain(enum.StrEnum):
    STANDARD = "standard"
    STRICT = "strict"


def up(
    ctx: typer.Context,
    *,
    pool: Annotated[
        str | None,
        argument("POOL", "Its name (SNAKEPIT_POOL; default: default)."),
    ] = None,
    size: Annotated[int | None, option("--size", "Number of workers.", "N")] = None,
    adapter: Annotated[str | None, option("--adapter", "What to run: pkg.mod:Class or file.py:Class.", "A")] = None,
    capacity: Annotated[
        int | None, option("--capacity", "Concurrent calls per worker; all handlers must be async.", "N")
    ] = None,
    contain: Annotated[
        Contain | None, option("--contain", "Strict: each worker in a PID namespace of its own.", "standard|strict")
    ] = None,
    spare: Annotated[
        int | None, option("--spare", "Extra workers that are kept idle to replace lost ones.", "N")
    ] = None,
    python: Annotated[str | None, option("--python", "The interpreter of Python workers.", "PATH")] = None,
    env: Annotated[list[str] | None, option("--env", "A variable for the workers; repeatable.", "NAME=VALUE")] = None,
    timeout: Annotated[str, option("--timeout", "How long the workers may take to start.", "TIME")] = "60s",
    no_wait: Annotated[bool, option("--no-wait", "Return before they are ready.")] = False,
    json: Annotated[bool, option("--json", "Print the pool as one JSON document.")] = False,
) -> None:
    """Start a pool, or change one that runs. Returns when the workers are ready. Repeating it changes nothing.

    On a running pool the command changes what it names, and applies a changed configuration. Workers are replaced one
    after another, and no call fails because of it. Another --adapter sets the pool up anew; it keeps its size.
    """
    shared: Shared = ctx.obj
    name = pool_name(pool) or "default"
    limit = seconds(timeout)
    if size is not None and size < 1:
        raise UsageError(f"--size {size}: at least 1 (`snakepit down {name}` stops a pool)")
    for option_name, value in (("--adapter", adapter), ("--python", python)):
        if value is not None and not value.strip():
            raise UsageError(f"{option_name} must not be empty")
    if adapter is not None:
        folders.check(adapter)
    started = time.monotonic()
    runtimes.check(name, adapter, os.environ)
    parting = f"pool {name} goes on starting; see `snakepit status`"
    with current(shared, json=json) as connection, waiting.Waiting(shared, waiting.ready(name), parting):
        answer = api.up(
            connection,
            pool=name,
            size=size,
            adapter=adapter,
            timeout=limit,
            wait=not no_wait,
            capacity=capacity,
            contain=None if contain is None else contain.value,
            spare=spare,
            interpreter=python,
            variables=_variables(env or []),
        )
    if not no_wait and (reason := answer.get("reason")) and not answer["ready"]:
        raise PitError.from_dict(reason)
    if json:
        table.document(answer)
    else:
        _tell(Voice(shared), answer, time.monotonic() - started)


def _variables(given: list[str]) -> dict[str, str] | None:
    """Raises UsageError."""
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise UsageError(f"--env must be NAME=VALUE, not {one}")
        found[name] = value
    return found or None


def _tell(voice: Voice, pool: api.Json, took: float) -> None:
    name, complete = pool["name"], pool["ready"] >= pool["size"]
    how = f" in {show(took)}" if pool["changed"] and complete else "" if pool["changed"] else " already"
    voice.note(f"pool {name}: {workers_ready(pool)}{how} ({pool['adapter']})")
    if pool.get("note"):
        voice.note(f"note: {pool['note']}")
    other = "" if name == "default" else f" --pool {name}"
    ping = "ping" if pool["adapter"] in {"showcase", "node"} else "COMMAND"
    voice.next(f"snakepit exec {ping}{other}" if ping == "ping" else f"snakepit commands{other}")


def register(app: typer.Typer) -> None:
    app.command("up", cls=Verb, epilog=_EXAMPLES)(up)
