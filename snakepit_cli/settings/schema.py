"""Settings as the rest of the program gets them: complete, paths absolute, times in seconds. JSON both ways."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import field


class AdapterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter that the configuration describes."""

    executable: str
    args: tuple[str, ...] = ()
    """With the script, when there is one."""
    dialect: str = "grpc"
    directory: str | None = None
    env: Mapping[str, str] = {}
    commands: tuple[str, ...] | None = None
    timeouts: Mapping[str, float] = {}
    """Command → seconds."""
    required: Mapping[str, tuple[str, ...]] = {}
    schemas: Mapping[str, Mapping[str, Any]] = {}


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    adapter: str = "showcase"
    size: int = field(default_factory=lambda: 2 * (os.cpu_count() or 1))
    spare: int = 0
    """Workers beyond the size that are kept idle, for when one is lost."""
    capacity: int | None = None
    """Calls at a time in one worker; None for what the adapter says."""
    contain: str = "standard"
    """Or "strict": each worker in a PID namespace of its own."""
    python: str | None = None
    env: Mapping[str, str] = {}
    limits: Mapping[str, int | float] = {}
    """Those of `core.limits` that the file names."""
    folder: str | None = None
    """Where the adapter is meant from and runs: the folder of the file that names it. None when no file does, or when
    it is a module or the name of an adapter."""


class SessionSettings(msgspec.Struct, frozen=True, kw_only=True):
    ttl: float = 3600.0
    """Seconds."""
    cleanup_interval: float = 60.0
    """Seconds."""
    max_sessions: int = 200_000
    max_variables: int = 10_000
    max_programs: int = 1_000
    max_bytes: int = 64 << 20
    """Of the values of one session; its older versions may have as much again."""
    history: int = 1_000
    """Versions of a variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    idle_timeout: float = 1800.0
    """Seconds."""
    max_message_bytes: int = 32 << 20
    shared_memory_bytes: int | None = None
    """Of all segments together; None for a quarter of the file system that they are in."""
    spool_max_bytes: int = 256 << 20
    spool_keep: float = 86400.0
    """Seconds."""
    session: SessionSettings = SessionSettings()
    pools: Mapping[str, PoolSettings] = {}
    limits: Mapping[str, int | float] = {}
    adapters: Mapping[str, AdapterSettings] = {}
    origins: Mapping[str, str] = {}
    """Setting as `pools.words.size` → `file:line` that says it. Those that are not in it are defaults."""

    def pool(self, name: str) -> PoolSettings | None:
        """Settings of a pool that the configuration names; `default` always exists."""
        return self.pools.get(name) or (PoolSettings(limits=self.limits) if name == "default" else None)

    def origin(self, setting: str) -> str:
        """The file and line that say it, or `default`."""
        return self.origins.get(setting, "default")
