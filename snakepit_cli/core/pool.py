"""The pool: one function takes an event, changes the state and says what to do. The shell does it.

For each event, `handle` looks up its move in the table and then always runs the same three steps: expire, refill,
assign. Nothing calls `handle` from inside, nothing waits, nothing reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from snakepit_cli.core import reconcile
from snakepit_cli.core.events import (
    Attached,
    Event,
    Exited,
    Finished,
    Returned,
    StartFailed,
    Tick,
    Unresponsive,
)
from snakepit_cli.core.invariants import problems
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.moves import calls, size, workers
from snakepit_cli.core.snapshot import Snapshot
from snakepit_cli.core.state import Effects, State
from snakepit_cli.core.story import InvalidTransition, Story
from snakepit_cli.core.table import BUG, IGNORE, TABLE
from snakepit_cli.core.worker import GONE

Broken = Callable[[Event, Exception], None]
"""Told of an event that could not be handled."""
Move = Callable[[State, Any, Any, float, Effects], None]

ABOUT_WORKERS = frozenset({Finished, Returned, Attached, Exited, StartFailed, Unresponsive})
_MODULES = (calls, workers, size)


class Pool:
    """One named pool of workers. Starts empty; the first Resize starts it. Ids of calls are never used again."""

    def __init__(
        self, name: str, size: int, limits: Limits, *, rng: Random | None = None, first_worker: int = 1, spare: int = 0
    ) -> None:
        self.name = name
        self._state = State(name, size, limits, rng, first_worker, spare)
        self._story = Story()

    def __repr__(self) -> str:
        pool = self._state
        return (
            f"<Pool {pool.name} {pool.title}: {pool.roster.serving}/{pool.size} workers, "
            f"{len(pool.roster.running)} running, {len(pool.queue)} waiting>"
        )

    def handle(self, event: Event, now: float) -> Effects:
        """Take in what happened at `now` (never less than before); the effects are to be done in order."""
        return self.handle_all((event,), now)

    def handle_all(self, events: Sequence[Event], now: float, broken: Broken | None = None) -> Effects:
        """Takes in several events, in order; expire, refill and assign run once, after them.

        An event that fails is told to `broken`, and the others go on; without one it raises.
        """
        out: Effects = []
        for event in events:
            try:
                self._move(event, now, out)
            except Exception as error:
                if broken is None:
                    raise
                broken(event, error)
        try:
            reconcile.tail(self._state, now, out)
        except Exception as error:
            if broken is None:
                raise
            broken(Tick(), error)
        self._story.add(now, events, out)
        return out

    def _move(self, event: Event, now: float, out: Effects) -> None:
        pool, kind = self._state, type(event)
        subject: object = pool.phase
        if kind in ABOUT_WORKERS:
            subject = pool.roster.workers.get(event.worker, GONE)  # type: ignore[union-attr]
        move = _MOVES[type(subject), kind]
        if move is _impossible:
            raise InvalidTransition(self.name, subject, event, self._story.lines())
        if move is not None:
            move(pool, event, subject, now, out)

    def story(self) -> list[str]:
        """The last events and effects, one a line."""
        return list(self._story.lines())

    def next_deadline(self) -> float | None:
        """The instant at which the shell must send Tick, None if time alone changes nothing."""
        return reconcile.next_deadline(self._state)

    def home(self, session: str) -> str | None:
        """The worker that a session prefers."""
        return self._state.homes.get(session)

    def snapshot(self) -> Snapshot:
        return self._state.snapshot()

    def check(self) -> None:
        """Assert every invariant that holds between two events."""
        for problem in problems(self._state):
            raise AssertionError("\n".join((f"{problem}: {self!r}", *self._story.lines())))


def _impossible(*_: object) -> None:
    """The table's entry for what cannot happen."""


def find_move(action: str) -> Move | None:
    """The function that an entry of the table names, None for one that is ignored. Raises KeyError."""
    if action == IGNORE:
        return None
    if action == BUG:
        return _impossible
    move: Move = next(vars(module)[action] for module in _MODULES if action in vars(module))
    return move


_MOVES: dict[tuple[type, type], Move | None] = {pair: find_move(action) for pair, action in TABLE.items()}
