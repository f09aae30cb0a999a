"""The last things that happened to a pool, kept for the day on which the impossible happens."""

from __future__ import annotations

from collections import deque

from snakepit_cli.core.effects import Effect, Settle
from snakepit_cli.core.events import Event, Finished

Entry = tuple[float, object, tuple[Effect, ...]]


class Story:
    """A bounded log of (now, event, effects). It never holds on to a reply: those can be large."""

    __slots__ = ("_entries",)

    def __init__(self, size: int = 50) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)

    def add(self, now: float, event: Event, effects: list[Effect]) -> None:
        if type(event) is Finished:
            # Its reply comes back in the first effect, if at all.
            first = effects[0] if effects else None
            passed_on = type(first) is Settle and first.outcome is event.reply
            rest = effects[1:] if passed_on else effects
            self._entries.append((now, (event.worker, event.call, event.failed), tuple(rest)))
        else:
            self._entries.append((now, event, tuple(effects)))

    def lines(self) -> tuple[str, ...]:
        return tuple(_line(*entry) for entry in self._entries)


def _line(now: float, event: object, effects: tuple[Effect, ...]) -> str:
    if isinstance(event, tuple):
        event = _without_reply(*event)
    return f"{now:.3f} {event} -> {', '.join(map(repr, effects)) or 'nothing'}"


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
