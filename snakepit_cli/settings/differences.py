"""What two states of the configuration say differently."""

from __future__ import annotations

from collections.abc import Iterable

from snakepit_cli.settings.schema import Settings

_OF_SERVER = ("idle_timeout", "max_message_bytes", "spool_max_bytes", "spool_keep", "session")


def pools(old: Settings, new: Settings, names: Iterable[str]) -> set[str]:
    """Those of these pools of which the new settings say something else. One that they do not name is none of them."""

    def said(settings: Settings, name: str) -> object:
        pool = settings.pool(name)
        return None if pool is None else (pool, settings.adapters.get(pool.adapter))

    return {name for name in names if (now := said(new, name)) is not None and now != said(old, name)}


def server(old: Settings, new: Settings) -> bool:
    """Whether they differ in what only another server process can take over."""
    return any(getattr(old, name) != getattr(new, name) for name in _OF_SERVER)
