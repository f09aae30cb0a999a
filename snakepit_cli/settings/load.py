"""The configuration file: all defaults of the project that a person can change.

[server]
idle_timeout = "30m"              # a server that `up` did not start ends after so long without use
max_message_bytes = 33554432      # largest arguments, result or chunk
spool_max_bytes = 268435456       # chunks of one detached stream
spool_keep = "24h"                # how long a detached stream can be read after its end

[limits]                          # of every pool; [pools.NAME.limits] of one
queue_timeout = "5s"

[pools.NAME]
adapter = "path/to/file.py:Class" # relative to this file, where its workers run, too
size = 4
spare = 1                         # workers kept idle beside those, which take over when one is lost
contain = "strict"                # each worker in a PID namespace of its own; default: standard
capacity = 16                     # calls at a time in a worker whose handlers are all async
python = "/path/to/venv/bin/python"
env = { NAME = "value" }

[adapters.NAME]                   # see settings/adapters.py
executable = "/path/to/program"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snakepit_cli.base import durations, paths, reference
from snakepit_cli.base.errors import PitError
from snakepit_cli.base.ids import MOST_WORKERS
from snakepit_cli.settings import adapters
from snakepit_cli.settings.adapters import AdapterSettings

LIMITS: dict[str, type] = {
    "queue_size": int, "queue_timeout": float, "request_timeout": float, "stream_timeout": float,
    "startup_timeout": float, "cancel_grace": float, "stop_grace": float, "silence_timeout": float,
    "max_calls": int, "max_age": float, "max_memory": int,
}  # fmt: skip
"""Names that a limits table may hold; what they mean and their defaults are core.limits'."""
_LARGEST = 1 << 31
"""Of any number: 68 years, 2 GiB. Timers and frames can take no more."""


@dataclass(frozen=True)
class PoolSettings:
    adapter: str = "showcase"
    size: int = field(default_factory=lambda: 2 * (os.cpu_count() or 1))
    spare: int = 0
    """Workers beyond the size that are kept idle, for when one is lost."""
    capacity: int | None = None
    """Calls at a time in one worker; None for what the adapter says."""
    contain: str = "standard"
    """Or "strict": each worker in a PID namespace of its own."""
    python: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    folder: str | None = None
    """Where the adapter is meant from and runs: the folder of the file that names it. None when no file does, or when
    it is a module or the name of an adapter."""


@dataclass(frozen=True)
class Settings:
    idle_timeout: float = 1800.0
    max_message_bytes: int = 32 << 20
    spool_max_bytes: int = 256 << 20
    spool_keep: float = 86400.0
    pools: Mapping[str, PoolSettings] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    adapters: Mapping[str, AdapterSettings] = field(default_factory=dict)

    def pool(self, name: str) -> PoolSettings | None:
        """Settings of a pool that the configuration names; `default` always exists."""
        return self.pools.get(name) or (PoolSettings(limits=self.limits) if name == "default" else None)


def load() -> Settings:
    """Raises PitError `invalid_configuration` naming the file and the value."""
    path = paths.config_file()
    if path is None:
        return Settings()
    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except (OSError, ValueError) as error:  # not TOML, or not UTF-8
        raise PitError("invalid_configuration", f"{path}: {error}") from None
    except RecursionError:
        raise PitError("invalid_configuration", f"{path}: nested too deeply") from None
    try:
        return _settings(data, os.path.dirname(os.path.abspath(path)))
    except ValueError as error:
        raise PitError("invalid_configuration", f"{path}: {error}") from None


def _settings(data: dict[str, Any], folder: str) -> Settings:
    """`folder` is where the file is."""
    _known(data, {"server", "limits", "pools", "adapters"}, "")
    server = _table(data, "server", "")
    _known(server, {"idle_timeout", "max_message_bytes", "spool_max_bytes", "spool_keep"}, "server.")
    common = _limits(data, "")
    pools = {}
    for name, table in _table(data, "pools", "").items():
        if not paths.valid_name(name) or not isinstance(table, dict):
            raise ValueError(f"pools.{name}: not a pool")
        pools[name] = _pool(table, f"pools.{name}.", common, folder)
    return Settings(
        idle_timeout=_value(server, "idle_timeout", float, "server.", 1800.0),
        max_message_bytes=_value(server, "max_message_bytes", int, "server.", 32 << 20),
        spool_max_bytes=_value(server, "spool_max_bytes", int, "server.", 256 << 20),
        spool_keep=_value(server, "spool_keep", float, "server.", 86400.0),
        pools=pools,
        limits=common,
        adapters={
            name: adapters.parse(table, f"adapters.{name}", folder)
            for name, table in _table(data, "adapters", "").items()
        },
    )


def _pool(table: dict[str, Any], where: str, common: Mapping[str, float], folder: str) -> PoolSettings:
    _known(table, {"adapter", "size", "spare", "capacity", "contain", "python", "env", "limits"}, where)
    default = PoolSettings()
    env = _table(table, "env", where)
    if not all(isinstance(value, str) for value in env.values()):
        raise ValueError(f"{where}env: the values must be texts")
    size = _value(table, "size", int, where, default.size)
    if size > MOST_WORKERS:
        raise ValueError(f"{where}size: a pool has 1 to {MOST_WORKERS} workers, not {size}")
    adapter = _value(table, "adapter", str, where, default.adapter)
    python = _value(table, "python", str, where, None)
    return PoolSettings(
        adapter=reference.absolute(adapter, folder),
        size=size,
        spare=_value(table, "spare", int, where, 0),
        capacity=_value(table, "capacity", int, where, None),
        contain=_one_of(table, "contain", ("standard", "strict"), where),
        python=os.path.join(folder, os.path.expanduser(python)) if python and os.sep in python else python,
        env=env,
        limits={**common, **_limits(table, where)},
        folder=folder if reference.is_located(adapter) else None,
    )


def _one_of(table: dict[str, Any], name: str, words: tuple[str, ...], where: str) -> str:
    value: str = _value(table, name, str, where, words[0])
    if value not in words:
        raise ValueError(f"{where}{name}: {value!r}; choose one of {', '.join(words)}")
    return value


def _limits(table: dict[str, Any], where: str) -> dict[str, float]:
    limits = _table(table, "limits", where)
    _known(limits, set(LIMITS), f"{where}limits.")
    return {name: _value(limits, name, LIMITS[name], f"{where}limits.", 0) for name in limits}


def _known(table: dict[str, Any], names: set[str], where: str) -> None:
    for name in table:
        if name not in names:
            raise ValueError(f"{where}{name}: unknown (known here: {', '.join(sorted(names))})")


def _table(data: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    value = data.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{where}{name}: a table is wanted")  # noqa: TRY004 — one error for a wrong file
    return value


def _value(table: dict[str, Any], name: str, kind: type, where: str, default: Any) -> Any:
    """Numbers must be positive and finite; seconds may also be written as a duration."""
    if name not in table:
        return default
    value = table[name]
    if kind is float and isinstance(value, str):
        value = durations.parse(value)
    if kind is float and type(value) is int:
        value = float(min(value, _LARGEST + 1))
    if type(value) is not kind:
        raise ValueError(f"{where}{name}: {value!r} is not a {kind.__name__}")
    if isinstance(value, (int, float)) and not 0 < value <= _LARGEST:
        raise ValueError(f"{where}{name}: must be more than 0, and at most {_LARGEST}")
    return value
