"""THE TABLE: what every event does in every state. Change it here first.

Events about one worker are looked up by that worker's state, all others by the phase of the pool. A value
names a method of Pool; IGNORE is for what a race or a repetition can bring; BUG is for what cannot happen
unless the shell is wrong, and raises InvalidTransition before anything has changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from snakepit_cli.core.events import (
    Adopt,
    Attached,
    Cancel,
    Drain,
    Exited,
    Failure,
    Finished,
    Resize,
    StartFailed,
    Submit,
    Tick,
    Unresponsive,
)
from snakepit_cli.core.worker import Draining, Dying, Gone, Serving, Starting, Stopping


@dataclass(frozen=True, slots=True)
class Unstarted:
    """Waits for its first Resize."""


@dataclass(frozen=True, slots=True)
class Open:
    """Keeps its size."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Has given up starting workers. Those that are attached go on; from `retry_at` on a call makes it try again."""

    reason: Failure
    retry_at: float


@dataclass(frozen=True, slots=True)
class Closing:
    """Drains. At `deadline` the last calls end."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Over:
    """Drained: no worker and no call is left, and none will come."""


Phase = Unstarted | Open | Failed | Closing | Over

PHASE_NAMES = {Unstarted: "unstarted", Open: "open", Failed: "failed", Closing: "draining", Over: "drained"}

IGNORE = "ignore"
BUG = "bug"

TABLE: dict[tuple[type, type], str] = {
    # -- the pool --
    (Unstarted, Submit): "_accept",
    (Unstarted, Cancel): "_cancel",
    (Unstarted, Adopt): "_adopt",
    (Unstarted, Resize): "_resize",
    (Unstarted, Drain): "_drain",
    (Unstarted, Tick): IGNORE,
    (Open, Submit): "_accept",
    (Open, Cancel): "_cancel",
    (Open, Adopt): BUG,  # a new server knows at once which workers the old one left
    (Open, Resize): "_resize",
    (Open, Drain): "_drain",
    (Open, Tick): IGNORE,  # like every event it is followed by the tail, which does what is due
    (Failed, Submit): "_accept_or_fail",
    (Failed, Cancel): "_cancel",
    (Failed, Adopt): BUG,
    (Failed, Resize): "_resize",
    (Failed, Drain): "_drain",
    (Failed, Tick): IGNORE,
    (Closing, Submit): "_refuse",
    (Closing, Cancel): "_cancel",
    (Closing, Adopt): BUG,
    (Closing, Resize): IGNORE,  # a drain is final
    (Closing, Drain): "_drain",  # a second one may only hurry
    (Closing, Tick): IGNORE,
    (Over, Submit): "_refuse",
    (Over, Cancel): IGNORE,
    (Over, Adopt): BUG,
    (Over, Resize): IGNORE,
    (Over, Drain): IGNORE,
    (Over, Tick): IGNORE,
    # -- one worker --
    (Gone, Attached): IGNORE,
    (Gone, StartFailed): IGNORE,
    (Gone, Exited): IGNORE,  # follows StartFailed, or comes twice
    (Gone, Finished): IGNORE,
    (Gone, Unresponsive): IGNORE,
    (Starting, Attached): "_attached",
    (Starting, StartFailed): "_start_failed",
    (Starting, Exited): "_start_failed",
    (Starting, Finished): BUG,  # it was never given a call
    (Starting, Unresponsive): IGNORE,  # its start has a deadline of its own
    (Serving, Attached): IGNORE,
    (Serving, StartFailed): IGNORE,  # a start timer of the shell raced with Attached, and lost
    (Serving, Exited): "_lost",
    (Serving, Finished): "_finished",
    (Serving, Unresponsive): "_unresponsive",
    (Draining, Attached): IGNORE,
    (Draining, StartFailed): IGNORE,
    (Draining, Exited): "_buried",
    (Draining, Finished): "_finished_last",
    (Draining, Unresponsive): "_unresponsive",
    (Stopping, Attached): IGNORE,  # it was stopped while it dialled home
    (Stopping, StartFailed): "_buried",  # stopped while it started: no Exited will follow
    (Stopping, Exited): "_buried",
    (Stopping, Finished): IGNORE,
    (Stopping, Unresponsive): IGNORE,  # it will be killed when its grace is over
    (Dying, Attached): IGNORE,
    (Dying, StartFailed): "_buried",
    (Dying, Exited): "_buried",
    (Dying, Finished): "_finished_dying",  # the answer overtook the kill
    (Dying, Unresponsive): IGNORE,
}
