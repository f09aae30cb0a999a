"""Circuit breaker: rejects calls after several in a row have each killed their worker."""

from __future__ import annotations

from dataclasses import dataclass

from snakepit_cli.core.backoff import Backoff

DEATHS = 5
"""In a row, without any answer in between."""
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Closed:
    """Calls pass."""

    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Tripped:
    """No call passes before `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Half-open: one trial call runs; the others wait for its outcome."""

    call: int


QUIET = Closed()


class Breaker:
    __slots__ = ("_pauses", "state")

    def __init__(self) -> None:
        self._pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self.state: Closed | Tripped | Trial = QUIET

    @property
    def name(self) -> str:
        """`open` means tripped: calls are rejected."""
        return {Closed: "closed", Tripped: "open", Trial: "half-open"}[type(self.state)]

    def admits(self, call: int, now: float) -> bool:
        match self.state:
            case Closed():
                return True
            case Tripped(until=until) if until <= now:
                self.state = Trial(call)
                return True
            case _:
                return False

    def answered(self) -> None:
        """A worker answered a call, with a result or an error."""
        if self.state is not QUIET:
            self.state = QUIET
            self._pauses.reset()

    def died(self, now: float) -> None:
        """A worker has died of a call."""
        match self.state:
            case Closed(deaths=deaths) if deaths + 1 < DEATHS:
                self.state = Closed(deaths + 1)
            case Closed() | Trial():
                self.state = Tripped(now + self._pauses.next())

    def over(self, call: int, now: float) -> None:
        """The call ended without an answer from a worker. If it was the trial, another call may be."""
        if self.state == Trial(call):
            self.state = Tripped(now)
