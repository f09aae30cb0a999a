"""Progress of `map` on stderr, and what it says at its end."""

from __future__ import annotations

import os
import time

from snakepit_cli.base.durations import show
from snakepit_cli.cli.output import live
from snakepit_cli.cli.output.color import enabled
from snakepit_cli.cli.output.messages import Voice, err
from snakepit_cli.client.call.request import Shared
from snakepit_cli.client.map.blocks import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from snakepit_cli.cli.output.ticker import Ticker

_EVERY_SECONDS = {"plain": 10.0, "jsonl": 1.0, "bar": 0.2}


class Picture:
    """Items, failures, time and rate. On a terminal the last word remains, also without --progress."""

    def __init__(self, shared: Shared, command: str, kind: str) -> None:
        if kind == "auto":
            kind = "bar" if live.usable() else "plain"
        self._shared = shared
        self._kind = kind
        self._command = command
        self._started = self._drawn = time.monotonic()
        self._live = live.Live() if kind == "bar" else None
        self._ticker: Ticker | None = None

    def begin(self, tally: Tally) -> None:
        """A bar shows that time goes by, also while nothing comes."""
        if self._live is not None:
            from snakepit_cli.cli.output.ticker import Ticker

            self._draw(tally, self._started)
            self._ticker = Ticker(lambda: self._draw(tally, time.monotonic()))

    def seen(self, tally: Tally) -> None:
        if self._kind != "none" and (now := time.monotonic()) - self._drawn >= _EVERY_SECONDS[self._kind]:
            self._drawn = now
            self._draw(tally, now)

    def stop(self, tally: Tally) -> None:
        """After an error: nothing more is known than what was shown, except to a program."""
        if self._ticker is not None:
            self._ticker.end()
        if self._live is not None:
            self._live.end()
        elif self._kind != "none":
            self._draw(tally, time.monotonic())

    def end(self, tally: Tally) -> None:
        self.stop(tally)
        if tally.failed:
            return  # the verdict says it
        if self._kind == "bar" or (self._kind == "none" and os.isatty(2)):
            Voice(self._shared).note(", ".join(self._words(tally, time.monotonic(), None)))

    def interrupted(self, tally: Tally, total: int | None, *, joblog: bool) -> None:
        """`total`: items of the whole input, when that is known."""
        self.stop(tally)
        done = f"{tally.done + tally.skipped:,}" + ("" if total is None else f" of {total:,}")
        after = "; continue with --resume" if joblog else ""
        start = "\n" if os.isatty(2) and self._live is None else ""
        Voice(self._shared).note(f"{start}{self._command}: interrupted, {done} done{after}")

    def _draw(self, tally: Tally, now: float) -> None:
        share = min(1.0, tally.taken / tally.size) if tally.size else None
        if self._kind == "jsonl":
            _document(self._command, tally, now - self._started, share)
            return
        head, *parts = self._words(tally, now, share)
        if self._live is None:
            err(", ".join([head, *parts]))
        else:
            self._live.show([live.Line(head, parts, share, color=enabled(2, self._shared.color))])

    def _words(self, tally: Tally, now: float, share: float | None) -> list[str]:
        """The most important first."""
        took = max(now - self._started, 1e-6)
        left = [f"{show(took * (1 - share) / share)} left"] if share and share < 1 else []
        skipped = [f"{tally.skipped:,} done before"] if tally.skipped else []
        items = f"{self._command}: {tally.done:,} item{'' if tally.done == 1 else 's'}"
        return [items, f"{tally.failed:,} failed", *skipped, show(took), *left, f"{tally.done / took:,.0f}/s"]


def _document(command: str, tally: Tally, took: float, share: float | None) -> None:
    import json

    facts: dict[str, object] = {
        "command": command, "items": tally.done, "failed": tally.failed, "seconds": round(took, 3)
    }  # fmt: skip
    if tally.skipped:
        facts["skipped"] = tally.skipped
    if share is not None:
        facts["percent"] = round(100 * share, 1)
    err(json.dumps(facts))
