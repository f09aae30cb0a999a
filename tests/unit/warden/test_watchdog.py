"""A server that says nothing is ended; one that could say nothing because the warden itself was stopped is not."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import pytest

from snakepit_cli.warden import watchdog
from snakepit_cli.warden.watchdog import LAST_WORDS_SECONDS, LOOK_SECONDS, SILENCE_SECONDS, Watchdog


class Clock:
    """A loop of timers only, whose time is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self.dumped, self.killed = 0, 0

    def at(self, when: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (when, len(self._timers) + id(callback), callback))

    def go_on(self, seconds: float, *, stopped: bool = False) -> None:
        """`stopped`: nothing is called meanwhile, and what is due is called late."""
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            when, _, callback = heapq.heappop(self._timers)
            self.now = until if stopped else max(self.now, when)
            callback()
        self.now = until

    def dump(self) -> None:
        self.dumped += 1

    def kill(self) -> None:
        self.killed += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: one.now)
    return one


@pytest.fixture
def dog(clock: Clock) -> Watchdog:
    one = Watchdog(clock, clock.dump, clock.kill)  # type: ignore[arg-type]
    one.heard()
    return one


def test_a_server_that_speaks_is_left_alone(clock: Clock, dog: Watchdog) -> None:
    for _ in range(100):
        clock.go_on(1.0)
        dog.heard()
    assert (clock.dumped, clock.killed) == (0, 0)


def test_a_silent_one_writes_its_stacks_and_is_killed_when_it_cannot(clock: Clock, dog: Watchdog) -> None:
    clock.go_on(SILENCE_SECONDS + LOOK_SECONDS)
    assert (clock.dumped, clock.killed) == (1, 0)
    clock.go_on(LAST_WORDS_SECONDS)
    assert (clock.dumped, clock.killed) == (1, 1)


def test_another_one_that_has_been_started_meanwhile_is_not_killed(clock: Clock, dog: Watchdog) -> None:
    clock.go_on(SILENCE_SECONDS + LOOK_SECONDS)
    dog.heard()
    clock.go_on(LAST_WORDS_SECONDS)
    assert clock.killed == 0


def test_no_server_no_watch(clock: Clock, dog: Watchdog) -> None:
    dog.gone()
    clock.go_on(100.0)
    assert clock.dumped == 0


@pytest.mark.parametrize("seconds", [SILENCE_SECONDS + LOOK_SECONDS + 1, 3600.0])
def test_a_warden_that_was_stopped_grants_another_interval(clock: Clock, dog: Watchdog, seconds: float) -> None:
    clock.go_on(seconds, stopped=True)
    assert clock.dumped == 0
    clock.go_on(SILENCE_SECONDS - LOOK_SECONDS)
    assert clock.dumped == 0
    clock.go_on(2 * LOOK_SECONDS)
    assert clock.dumped == 1, "a server that is silent all the same is ended"


def test_a_dump_that_fails_does_not_end_the_watch(clock: Clock) -> None:
    def dump() -> None:
        clock.dumped += 1
        raise OSError(3, "No such process")

    dog = Watchdog(clock, dump, clock.kill)  # type: ignore[arg-type]
    for _ in range(2):
        dog.heard()
        with pytest.raises(OSError, match="No such process"):
            clock.go_on(SILENCE_SECONDS + LOOK_SECONDS)
        clock.go_on(LAST_WORDS_SECONDS)
    assert (clock.dumped, clock.killed) == (2, 2)
