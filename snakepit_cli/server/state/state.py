"""Requests about sessions: run on the database thread, then announced to workers and watchers, then answered."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.state.feeds import Feeds
from snakepit_cli.server.state.leases import Holder, Leases
from snakepit_cli.server.store import sessions, variables
from snakepit_cli.server.store.clock import Clock
from snakepit_cli.server.store.database import Database
from snakepit_cli.server.store.touches import FLUSH_SECONDS, Touch, Touches
from snakepit_cli.server.store.work import Work
from snakepit_cli.server.tools.registry import Registry
from snakepit_cli.settings.schema import SessionSettings

Run = Callable[[Work], Any]
"""On the database thread: changes what it is to change; its value is the answer. Raises PitError."""
Done = Callable[[bytes, PitError | None], None]
"""Takes the answer as JSON, or what went wrong."""
_encode = msgspec.json.Encoder().encode
_VARIABLES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a request. A worker is known by its id, can use only the session of its call, and may keep values."""

    source: str = "client"
    language: str = ""
    holder: Holder | None = None


class _Outcome:
    __slots__ = ("answer", "work")

    def __init__(self, answer: bytes, work: Work) -> None:
        self.answer = answer
        self.work = work


class State:
    """`ended` is told of sessions that are not there any more; `home` knows the worker that a session prefers."""

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        self.settings = settings
        self.feeds = Feeds()
        self.leases = Leases()
        self.ended: Callable[[Sequence[str]], None] = lambda _: None
        self.home: Callable[[str], str | None] = lambda _: None
        self.tools = Registry()
        self.counts: Counter[str] = Counter()
        """What happened since the server has started: created, removed, expired, sweeps."""
        self.touches = Touches()
        self.database = Database(path, asyncio.get_running_loop().call_soon_threadsafe)
        self._clock: Clock | None = None
        self._purging = False

    # -- asked --

    def used(self, session: str) -> None:
        """A call is made in this session."""
        if self._clock is not None:
            self.touches.note(session, self._clock.now(), calls=1)
        elif self.database.begun:
            self.perform(lambda work: work.touches.note(session, work.now, calls=1), Origin(), _nobody)

    def hold(self, session: str) -> bool:
        """A call of this session runs; whether it must be released."""
        if self._clock is None:
            return False
        self.touches.hold(session, self._clock.now())
        return True

    def release(self, session: str) -> None:
        """A call that holds the session is over."""
        if self._clock is not None:
            self.touches.release(session, self._clock.now())

    def perform(self, run: Run, origin: Origin, done: Done) -> None:
        """Calls `done` when the change is on disk and no worker uses the old value any more."""

        def finished(outcome: _Outcome | None, error: Exception | None) -> None:
            if outcome is None:
                done(b"", as_pit_error(error))
            else:
                self._settle(outcome, origin, done)

        try:
            self.database.submit(lambda db: self._run(db, run, origin), finished)
        except PitError as refusal:
            done(b"", refusal)

    async def ask(self, run: Run, origin: Origin, then: Callable[[], None] | None = None) -> bytes:
        """The answer. A change that has begun is made even when the caller has gone. Raises PitError.

        `then` is called with the answer, before the answer to any later request, unless the caller has gone. It may
        raise PitError.
        """
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def done(answer: bytes, error: PitError | None) -> None:
            if answered.done():
                return
            if error is None and then is not None:
                try:
                    then()
                except PitError as refusal:
                    error = refusal
            if error is not None:
                answered.set_exception(error)
            else:
                answered.set_result(answer)

        self.perform(run, origin, done)
        return await answered

    async def flush(self) -> None:
        """Writes down which sessions were used."""
        taken: dict[str, Touch] = {}

        def run(work: Work) -> None:
            self.touches.put_back(taken)  # the transaction failed, and is tried again
            taken.clear()
            taken.update(self.touches.take())
            sessions.flush(work, taken)

        if self.touches:
            try:
                await self.ask(run, Origin())
            except PitError:
                self.touches.put_back(taken)
                raise

    async def close(self) -> None:
        """Everything that was asked for is on disk. What is asked later opens the file again."""
        try:
            await self.flush()
        except PitError as error:
            print(f"the latest uses of sessions are not written down: {error}", file=sys.stderr, flush=True)
        await asyncio.to_thread(self.database.close)

    async def watch(self) -> None:
        """Writes uses of sessions down, and removes expired sessions. Runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        while True:
            await asyncio.sleep(min(FLUSH_SECONDS, self.settings.cleanup_interval))
            if not self.database.begun:
                continue
            try:
                await self.flush()
                if loop.time() >= next_sweep:
                    next_sweep = loop.time() + self.settings.cleanup_interval
                    await self.sweep()
            except PitError:
                continue  # the disk is full, for example: requests report it

    async def sweep(self) -> int:
        """Removes expired sessions and variables; how many sessions. Raises PitError."""
        self.counts["sweeps"] += 1
        count = 0
        while (found := msgspec.json.decode(await self.ask(sessions.sweep, Origin()), type=int)) > 0:
            count += found
        while msgspec.json.decode(await self.ask(_expire_variables, Origin()), type=int) > 0:
            pass
        self.counts["expired"] += count
        self._purge()
        return count

    # -- on the database thread --

    def _run(self, db: sqlite3.Connection, run: Run, origin: Origin) -> _Outcome:
        if self._clock is None:
            self._clock = Clock(sessions.clock(db))
        work = Work(db, self._clock.now(), self.settings, self.touches, origin.source)
        answer = run(work)
        return _Outcome(answer if type(answer) is bytes else _encode(answer), work)

    # -- afterwards --

    def _settle(self, outcome: _Outcome, origin: Origin, done: Done) -> None:
        work, answer = outcome.work, outcome.answer
        for change in work.changes:
            self.feeds.publish(change)
        self.counts["created"] += work.created
        if work.ended:
            self._ended(work.ended)
        if not work.changes:
            done(answer, None)
            return
        names = {change.name for change in work.changes}
        self.leases.revoke(work.changes[0].session, names, origin.holder, lambda: done(answer, None))

    def _ended(self, ended: Sequence[str]) -> None:
        for session in ended:
            self.feeds.end(session)
            self.leases.revoke(session, None, None, _nothing)
        self.ended(ended)
        self._purge()

    def _purge(self) -> None:
        """Removes what ended sessions have left, a slice at a time, so that others come in between."""
        if not self._purging:
            self._purging = True
            self.perform(sessions.purge, Origin(), self._purged)

    def _purged(self, answer: bytes, error: PitError | None) -> None:
        self._purging = False
        if error is None and answer == b"true":
            self._purge()


def _expire_variables(work: Work) -> int:
    rows = variables.overdue(work, _VARIABLES_AT_ONCE)
    for row in rows:
        writer = variables.Writer(work, row)
        writer.expire()
        writer.close()
    return len(rows)


def as_pit_error(error: BaseException | None) -> PitError:
    return error if isinstance(error, PitError) else PitError("internal", f"{type(error).__name__}: {error}")


def _nobody(_answer: bytes, _error: PitError | None) -> None:
    """No caller waits for the answer."""


def _nothing() -> None:
    """No caller waits for the end of the leases."""
