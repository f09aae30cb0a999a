"""Processes that handlers have started. Their environment says which worker they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from snakepit_cli.base import identity as ident
from snakepit_cli.warden.burial import reap

WORKER = b"SNAKEPIT_WORKER_ID"
TEMPLATE = "template:"
"""How ids of templates begin."""


def of_the_dead(secret: str, pids: Iterable[int], living: Set[str]) -> Iterator[int]:
    """Those of `pids` that carry the cookie of this instance and the id of a worker that is not among the living.

    What a forked worker forks in turn, without executing anything, carries the id of its template. Its worker is not
    known, so it ends with the instance.
    """
    for pid in pids:
        found = ident.environment(pid)
        name = found.get(WORKER, b"").decode(errors="replace")
        if found.get(reap.COOKIE.encode()) == secret.encode() and name not in living and not name.startswith(TEMPLATE):
            yield pid
