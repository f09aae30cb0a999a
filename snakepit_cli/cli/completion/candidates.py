"""Names for shell completion, of a server that runs: none is started, no pool either, and it takes 0.1 s at most.

snakepit __complete commands [POOL]      snakepit __complete pools      snakepit __complete workers
snakepit __complete streams
"""

from __future__ import annotations

import os

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.paths import valid_name
from snakepit_cli.client import api
from snakepit_cli.client.call.call import write
from snakepit_cli.client.connect.find import find

_SECONDS = 0.1


def candidates(words: list[str]) -> int:
    """Writes one a line. Says nothing and fails never: somebody is in the middle of typing."""
    instance = os.environ.get("SNAKEPIT_INSTANCE") or "default"
    try:
        sock = find(instance) if valid_name(instance) else None
        if sock is None or not words:
            return 0
        with api.Connection(sock) as connection:
            names = _names(connection, words[0], words[1] if len(words) > 1 else "default")
    except (PitError, OSError, LookupError, ValueError):
        return 0
    write("".join(f"{name}\n" for name in names).encode())
    return 0


def _names(connection: api.Connection, what: str, pool: str) -> list[str]:
    if what == "streams":
        return [str(one["id"]) for one in connection.query("streams", patience=_SECONDS)]
    if what == "workers":
        return [str(one["id"]) for one in connection.query("workers", patience=_SECONDS)]
    pools = connection.query("status", patience=_SECONDS)["pools"]
    if what == "pools":
        return [str(one["name"]) for one in pools]
    if not any(one["name"] == pool and one["ready"] for one in pools):
        return []
    return [str(one["name"]) for one in connection.query("commands", patience=_SECONDS, pool=pool)["commands"]]
