"""A log of the last events and effects of a pool, printed when an impossible event comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from snakepit_cli.core.effects import Effect, Settle
from snakepit_cli.core.events import Event, Failure, Finished

Entry = tuple[float, list[object], list[object]]


class Story:
    """A bounded log of (now, events, effects). It never holds on to a reply: those can be large."""

    __slots__ = ("_entries",)

    def __init__(self, size: int = 50) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)

    def add(self, now: float, events: Sequence[Event], effects: list[Effect]) -> None:
        self._entries.append((
            now,
            [(event.worker, event.call, event.failed) if type(event) is Finished else event for event in events],
            [effect.call if type(effect) is Settle and type(effect.outcome) is not Failure else effect
             for effect in effects],
        ))  # fmt: skip

    def lines(self) -> tuple[str, ...]:
        return tuple(_line(*entry) for entry in self._entries)


def _line(now: float, events: list[object], effects: list[object]) -> str:
    happened = ", ".join(_without_reply(*e) if isinstance(e, tuple) else str(e) for e in events)
    # What the worker answered to a call is passed on as it is: that goes without saying.
    done = ", ".join(repr(effect) for effect in effects if not isinstance(effect, int))
    return f"{now:.3f} {happened} -> {done or 'nothing'}"


def _without_reply(worker: str, call: int, failed: bool) -> str:
    return f"Finished({worker=}, {call=}, {failed=})"


class InvalidTransition(Exception):  # noqa: N818 - the field's word
    """An event that cannot come in this state: the shell is wrong. The pool has not changed."""

    def __init__(self, pool: str, state: object, event: Event, story: tuple[str, ...]) -> None:
        self.pool = pool
        self.state = state
        self.event = event
        self.story = story
        what = _without_reply(event.worker, event.call, event.failed) if isinstance(event, Finished) else event
        before = "".join(f"\n  {line}" for line in story)
        super().__init__(f"pool {pool!r}: {what} cannot come in {state}; before that:{before}")
