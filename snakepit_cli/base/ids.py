"""Names and numbers of what an instance has."""

from __future__ import annotations

from typing import NamedTuple

MOST_WORKERS = 1024
"""Of one pool."""
MOST_AT_ONCE = 10_000
"""Calls that one worker may run at a time."""
_MOST_DIGITS = 18


class WorkerId(NamedTuple):
    """As a string `POOL-NUMBER`. Numbers of a pool begin with 1 and are never used again."""

    pool: str
    number: int

    def __str__(self) -> str:
        return f"{self.pool}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> WorkerId | None:
        """None when it is not the id of a worker."""
        pool, _, number = text.rpartition("-")
        if not pool or not number.isascii() or not number.isdecimal() or len(number) > _MOST_DIGITS:
            return None
        return cls(pool, int(number))


def pool_of(worker: str) -> str:
    """The pool in the id of a worker; empty when it is not such an id."""
    found = WorkerId.parse(worker)
    return "" if found is None else found.pool
