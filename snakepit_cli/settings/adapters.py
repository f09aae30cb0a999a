"""Adapters that the configuration describes: `[adapters.NAME]`.

executable = "ruby"               # on PATH, or a path
script = "worker.rb"              # its first argument; relative to the configuration file
args = ["--fast"]
dialect = "grpc"                  # a worker that dials in; "lines" and "json" as with exec: and exec-json:
directory = "/srv/words"          # where it runs; otherwise where `up` was called
env = { NAME = "value" }
commands = ["count", "lines"]     # what may be called; otherwise whatever the worker offers
timeouts = { count = "5s" }       # of calls that name none
required = { count = ["text"] }   # arguments without which the worker is not bothered
[adapters.NAME.schemas.count]     # JSON Schema of the arguments
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snakepit_cli.base import durations

DIALECTS = ("grpc", "lines", "json")
_NAMES = frozenset(
    ("executable", "script", "args", "dialect", "directory", "env", "commands", "timeouts", "required", "schemas")
)


@dataclass(frozen=True)
class AdapterSettings:
    """JSON both ways."""

    executable: str
    args: tuple[str, ...] = ()
    """With the script, when there is one."""
    dialect: str = "grpc"
    directory: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Command → seconds."""
    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def parse(table: Any, where: str, folder: str) -> AdapterSettings:
    """`folder` is where the configuration file is. Raises ValueError that names the value."""
    if not isinstance(table, dict):
        raise ValueError(f"{where}: not an adapter")  # noqa: TRY004 — one error for a wrong file
    if unknown := sorted(table.keys() - _NAMES):
        raise ValueError(f"{where}.{unknown[0]}: unknown (known here: {', '.join(sorted(_NAMES))})")
    executable = _text(table, "executable", where)
    if executable is None:
        raise ValueError(f"{where}.executable: is missing")
    script = _text(table, "script", where)
    dialect = _text(table, "dialect", where) or "grpc"
    if dialect not in DIALECTS:
        raise ValueError(f"{where}.dialect: {dialect!r}; choose one of {', '.join(DIALECTS)}")
    directory = _text(table, "directory", where)
    args = () if script is None else (os.path.normpath(os.path.join(folder, os.path.expanduser(script))),)
    commands = table.get("commands")
    return AdapterSettings(
        executable=os.path.join(folder, executable) if os.sep in executable else executable,
        args=args + _texts(table.get("args", []), f"{where}.args"),
        dialect=dialect,
        directory=None if directory is None else os.path.normpath(os.path.join(folder, os.path.expanduser(directory))),
        env=dict(
            zip(
                _map(table, "env", where), _texts(list(_map(table, "env", where).values()), f"{where}.env"), strict=True
            )
        ),
        commands=None if commands is None else _texts(commands, f"{where}.commands"),
        timeouts={
            name: _seconds(one, f"{where}.timeouts.{name}") for name, one in _map(table, "timeouts", where).items()
        },
        required={
            name: _texts(one, f"{where}.required.{name}") for name, one in _map(table, "required", where).items()
        },
        schemas={name: _schema(one, f"{where}.schemas.{name}") for name, one in _map(table, "schemas", where).items()},
    )


def _text(table: dict[str, Any], name: str, where: str) -> str | None:
    value = table.get(name)
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise ValueError(f"{where}.{name}: {value!r} is not a text")
    return value


def _texts(values: Any, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(one, str) and "\0" not in one for one in values):
        raise ValueError(f"{where}: texts are wanted, not {values!r}")
    return tuple(values)


def _map(table: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{where}.{name}: a table is wanted")  # noqa: TRY004 — one error for a wrong file
    return value


def _seconds(value: Any, where: str) -> float:
    seconds = durations.parse(value) if isinstance(value, str) else value
    if type(seconds) not in {int, float} or not 0 < seconds < 1 << 31:
        raise ValueError(f"{where}: {value!r} is not a time")
    return float(seconds)


def _schema(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: a JSON Schema is wanted")  # noqa: TRY004 — one error for a wrong file
    return value
