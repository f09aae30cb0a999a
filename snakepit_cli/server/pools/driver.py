"""Drives `core.Pool`: collects events, performs the effects, and keeps its timer.

An event or effect that fails does not keep the others from being done, or the timer from being set.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable

from snakepit_cli.core import effects as fx
from snakepit_cli.core import events as ev
from snakepit_cli.core.pool import Pool as Machine
from snakepit_cli.server.coalescer import Coalescer

_clock = time.monotonic
_ROUTINE = frozenset({ev.Submit, ev.Cancel, ev.Progress, ev.Finished, ev.Returned})
"""Events that cannot change which workers there are: they need no announcement."""
_PAUSE = 1.0
"""Seconds before the timer ticks again after a tick that failed: its deadline may be due still."""
_LONGEST_LINE = 500


class Driver:
    """One for a pool.

    `perform` does an effect. `failed` is told of an event or effect that raised, and mends what it can. `changed` is
    called when there are other workers, or in another state, than before.
    """

    def __init__(
        self, machine: Machine, coalescer: Coalescer, perform: Callable[[fx.Effect], None],
        failed: Callable[[ev.Event | fx.Effect, Exception], None], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._machine = machine
        self._coalescer = coalescer
        self._perform = perform
        self._failed = failed
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._happened: list[ev.Event] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When the timer ticks. A handle of uvloop need not know."""
        self._not_before = 0.0

    def feed(self, event: ev.Event) -> None:
        """Events about calls are fed together, at the end of the loop iteration; those about workers at once."""
        self._happened.append(event)
        if type(event) not in _ROUTINE:
            self._turn()
            self._changed()
        elif len(self._happened) == 1:
            self._coalescer.begun(self._turn)

    def _turn(self) -> None:
        events, self._happened = self._happened, []
        if not events:
            return
        for effect in self._machine.handle_all(events, _clock(), self._broken):
            try:
                self._perform(effect)
            except Exception as error:  # noqa: BLE001 — the other effects must be done
                self._broken(effect, error)
        self._arm()

    def _broken(self, what: ev.Event | fx.Effect, error: Exception) -> None:
        about = [f"{name}={getattr(what, name)!r}" for name in ("worker", "call") if hasattr(what, name)]
        lines = [f"internal error: {type(what).__name__} {' '.join(about)}"]
        lines += [f"  {line[:_LONGEST_LINE]}" for line in self._machine.story()]
        print(*lines, *traceback.format_exception(error), sep="\n", file=sys.stderr, flush=True)
        if isinstance(what, ev.Tick):
            self._not_before = _clock() + _PAUSE
        # In a turn of its own: this one is not over.
        self._loop.call_soon(self._failed, what, error)

    def _arm(self) -> None:
        """One timer for everything the machine waits for. An earlier one that is still set does no harm: it only
        ticks, so it is moved only when the next deadline comes before it."""
        deadline = self._machine.next_deadline()
        if deadline is None:
            return
        deadline = max(deadline, self._not_before)
        if self._timer is not None and self._due <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - _clock()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.feed(ev.Tick())
