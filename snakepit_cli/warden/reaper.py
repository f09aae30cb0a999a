"""`reap`, when the server orders it: orphans of dead runs, while this one goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from snakepit_cli.warden.burial import cgroups, reap
from snakepit_cli.warden.records import segments
from snakepit_cli.warden.records.ledger import Ledger
from snakepit_cli.warden.records.paths import Places

Message = dict[str, Any]


class Reaper:
    """`mend` makes directories again that have been removed: the registry needs one. `tell` reaches the server."""

    def __init__(
        self, places: Places, ledger: Ledger, secret: str, run: str, *, tell: Callable[[Message], None],
        mend: Callable[[], object],
    ) -> None:  # fmt: skip
        self._places = places
        self._ledger = ledger
        self._secret = secret
        self._run = run
        self._tell = tell
        self._mend = mend

    def order(self, message: Mapping[str, Any]) -> None:
        """Always answers: with a report, or with an error, which it also raises."""
        answer: Message = {"event": "reaped", "ticket": message["ticket"]}
        try:
            dry = bool(message["dry_run"])
            answer["report"] = self._reap(dry=dry) + segments.reap(self._secret, dry_run=dry)
        except Exception as error:
            answer["error"] = {"kind": "unavailable", "message": f"the registry cannot be used: {error}"}
            raise
        finally:
            self._tell(answer)

    def _reap(self, *, dry: bool) -> list[Message]:
        self._mend()
        dead = cgroups.abandoned(self._places.state, self._secret, self._run)
        try:
            return reap.reap(self._ledger.registry, self._secret, self._run, dead, dry_run=dry)
        except (sqlite3.Error, OSError) as error:
            # What the file knew of dead runs was reaped when we started; the environment still tells.
            self._ledger.renew(str(error))
            return reap.reap(self._ledger.registry, self._secret, self._run, dead, dry_run=dry)
