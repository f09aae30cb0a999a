"""A store in memory, with a clock that the test sets."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.ops import programs, sessions, variables
from snakepit_cli.server.state.state import State
from snakepit_cli.server.store import schema
from snakepit_cli.server.store import sessions as rows
from snakepit_cli.server.store.touches import Touches
from snakepit_cli.server.store.work import Work
from snakepit_cli.settings.schema import SessionSettings
from snakepit_cli.wire import ops

JOBS = {**sessions.JOBS, **variables.JOBS, **programs.JOBS}


class _State:
    """What jobs ask of the state besides the store."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {"removed": 0}
        self.tools = self

    def home(self, _: str) -> None:
        return None

    def count(self, _: str) -> int:
        return 0


class Store:
    opened: ClassVar[list[Store]] = []
    """Those of the test that runs: conftest.py closes them."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.db: sqlite3.Connection = schema.opened(folder / "sessions.db")
        Store.opened.append(self)
        self.limits = SessionSettings(**limits)
        self.touches = Touches()
        self.now = 1000.0
        self.work = self._work()
        self._state: State = _State()  # type: ignore[assignment]

    def _work(self) -> Work:
        return Work(self.db, self.now, self.limits, self.touches, "client")

    def ask(self, op: str, **fields: Any) -> Any:
        """The answer of a request. Raises PitError; then nothing has changed."""
        request = ops.decode(json.dumps({"op": op, **fields}).encode())
        self.work = self._work()
        self.db.execute("BEGIN")
        try:
            answer = ops.msgspec.json.encode(JOBS[type(request)](self._state, self.work, request))  # type: ignore[index]
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return json.loads(answer)

    def refused(self, op: str, **fields: Any) -> PitError:
        before = self.dump()
        try:
            answer = self.ask(op, **fields)
        except PitError as error:
            assert self.dump() == before
            return error
        raise AssertionError(f"{op} was answered with {answer}")

    def dump(self) -> list[str]:
        return list(self.db.iterdump())

    def sweep(self) -> list[str]:
        """Ends what is overdue, and removes it; the sessions that have ended."""
        self.work = self._work()
        rows.sweep(self.work)
        while rows.purge(self.work):
            pass
        return self.work.ended

    def flush(self) -> None:
        rows.flush(self._work(), self.touches.take())

    def count(self, table: str) -> int:
        found: int = self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found
