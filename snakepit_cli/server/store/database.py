"""The database thread: jobs in, their outcomes out, many in one transaction."""

from __future__ import annotations

import queue
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.server.store import schema

MOST_WAITING = 20_000
_BATCH = 256
"""Jobs in one transaction."""

Done = Callable[[Any, Exception | None], None]
"""Takes the outcome: a value, or what was raised."""


@dataclass(slots=True)
class Job:
    """`run` is called on the thread with the connection."""

    run: Callable[[sqlite3.Connection], Any]
    done: Done
    value: Any = None
    error: Exception | None = None


class Database:
    """`deliver` hands a function to the thread that jobs come from: their outcomes are given there, in order.

    The thread starts, and the file is opened, with the first job.
    """

    def __init__(self, path: Path, deliver: Callable[[Callable[[], None]], Any]) -> None:
        self.path = path
        self.set_aside: list[Path] = []
        """Damaged files that were renamed."""
        self._deliver = deliver
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._db: sqlite3.Connection | None = None

    @property
    def begun(self) -> bool:
        """There has been a job, or there is a file from before."""
        return self._thread is not None or self.path.exists()

    def submit(self, run: Callable[[sqlite3.Connection], Any], done: Done) -> None:
        """Raises PitError `pool_saturated` when too many jobs wait."""
        if self._jobs.qsize() >= MOST_WAITING:
            raise PitError("pool_saturated", f"{MOST_WAITING:,} requests about sessions wait already")
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="snakepit-store", daemon=True)
            self._thread.start()
        self._jobs.put(Job(run, done))

    def close(self) -> None:
        """Ends the thread when all jobs are done, and waits for that."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    # -- on the thread --

    def _serve(self) -> None:
        while True:
            batch, last = self._next()
            if batch:
                self._run(batch)
                self._deliver(lambda batch=batch: _hand_out(batch))  # type: ignore[misc]
            if last:
                if self._db is not None:
                    self._db.close()
                    self._db = None
                return

    def _next(self) -> tuple[list[Job], bool]:
        """Jobs that wait, at least one; whether they are the last ones."""
        job = self._jobs.get()
        batch: list[Job] = []
        while job is not None:
            batch.append(job)
            if len(batch) == _BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _run(self, batch: list[Job]) -> None:
        try:
            self._transaction(batch)
        except Exception as error:  # noqa: BLE001 — every job must have an outcome
            reason = self._reason(error)
            for job in batch:
                job.value, job.error = None, reason

    def _transaction(self, batch: list[Job]) -> None:
        if self._db is None:
            self._db = schema.opened(self.path)
        elif not self.path.exists():  # another process has removed it
            self._db = schema.put_back(self._db, self.path)
        try:
            _attempt(self._db, batch)
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL:  # the log may have taken the room
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                _attempt(self._db, batch)
            elif code == sqlite3.SQLITE_BUSY:  # another process has locked it: SQLite waits only before the first read
                _attempt(self._db, batch, "BEGIN IMMEDIATE")
            else:
                raise

    def _reason(self, error: Exception) -> Exception:
        """In words for people. A damaged file is set aside, so that the next job begins a new one."""
        if isinstance(error, PitError) or not isinstance(error, sqlite3.Error | OSError):
            return error
        if isinstance(error, sqlite3.DatabaseError) and not _is_damage(error):
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            hint = "another process, such as a backup, has locked it: try again later" if busy else None
            return PitError("state_unavailable", f"{self.path}: {error}", hint=hint)
        if isinstance(error, OSError):
            return PitError("state_unavailable", f"{self.path}: {error.strerror}")
        return self._begin_anew(error)

    def _begin_anew(self, error: Exception) -> PitError:
        if self._db is not None:
            self._db.close()
            self._db = None
        try:
            aside = schema.set_aside(self.path)
        except OSError as failed:
            return PitError("state_unavailable", f"{self.path} is damaged ({error}): {failed.strerror}")
        self.set_aside.append(aside)
        text = f"{self.path} was damaged ({error}): it is kept as {aside.name}, and a new one is begun"
        print(text, file=sys.stderr, flush=True)
        return PitError("state_unavailable", text, hint="what was in it is lost; run the command again")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _attempt(db: sqlite3.Connection, batch: list[Job], begin: str = "BEGIN") -> None:
    try:
        db.execute(begin)
        for job in batch:
            job.value = job.error = None
            _run_one(db, job)
        failpoint("store.commit")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _run_one(db: sqlite3.Connection, job: Job) -> None:
    """A job that raises changes nothing, and the others go on. Raises sqlite3.Error: then none has changed anything."""
    db.execute("SAVEPOINT job")
    try:
        job.value = job.run(db)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 — its outcome
        db.execute("ROLLBACK TO job")
        job.error = error
    db.execute("RELEASE job")


def _hand_out(batch: list[Job]) -> None:
    for job in batch:
        job.done(job.value, job.error)
