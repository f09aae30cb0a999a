"""THE TABLE: what every event does in every state. Change it here first.

Events about one worker are looked up by that worker's state, all others by the phase of the pool. A value
names a function of one of the *_moves modules; IGNORE is for what a race or a repetition can bring; BUG is for what
cannot happen unless the shell is wrong, and raises InvalidTransition before anything has changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from snakepit_cli.core.events import (
    Admit,
    Adopt,
    Attached,
    Cancel,
    Drain,
    Exited,
    Failure,
    Finished,
    Progress,
    Replace,
    Resize,
    Returned,
    Rollout,
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
    """Keeps its workers at its size."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Has given up starting workers. Attached ones go on. From `retry_at` on, a call makes the pool try again."""

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

PHASE_NAMES: dict[type, str] = {
    Unstarted: "unstarted",
    Open: "open",
    Failed: "failed",
    Closing: "draining",
    Over: "drained",
}

IGNORE = "ignore"
BUG = "bug"

TABLE: dict[tuple[type, type], str] = {
    # -- the pool --
    (Unstarted, Submit): "accept",
    (Unstarted, Cancel): "cancel",
    (Unstarted, Progress): IGNORE,
    (Unstarted, Adopt): "adopt",
    (Unstarted, Resize): "resize",
    (Unstarted, Replace): IGNORE,
    (Unstarted, Rollout): BUG,  # the first Resize comes with the pool
    (Unstarted, Admit): "admit",
    (Unstarted, Drain): "drain",
    (Unstarted, Tick): IGNORE,
    (Open, Submit): "accept",
    (Open, Cancel): "cancel",
    (Open, Progress): "progress",
    (Open, Adopt): BUG,  # a new server knows at once which workers the old one left
    (Open, Resize): "resize",
    (Open, Replace): "replace",
    (Open, Rollout): "rollout",
    (Open, Admit): "admit",
    (Open, Drain): "drain",
    (Open, Tick): IGNORE,  # like every event it is followed by the tail, which does what is due
    (Failed, Submit): "accept_or_fail",
    (Failed, Cancel): "cancel",
    (Failed, Progress): "progress",
    (Failed, Adopt): BUG,
    (Failed, Resize): "resize",
    (Failed, Replace): IGNORE,  # it cannot start others just now
    (Failed, Rollout): "rollout",
    (Failed, Admit): "admit",
    (Failed, Drain): "drain",
    (Failed, Tick): IGNORE,
    (Closing, Submit): "refuse",
    (Closing, Cancel): "cancel",
    (Closing, Progress): "progress",
    (Closing, Adopt): BUG,
    (Closing, Resize): IGNORE,  # a drain is final
    (Closing, Replace): IGNORE,
    (Closing, Rollout): IGNORE,
    (Closing, Admit): IGNORE,
    (Closing, Drain): "drain",  # a second one may only hurry
    (Closing, Tick): IGNORE,
    (Over, Submit): "refuse",
    (Over, Cancel): IGNORE,
    (Over, Progress): IGNORE,
    (Over, Adopt): BUG,
    (Over, Resize): IGNORE,
    (Over, Replace): IGNORE,
    (Over, Rollout): IGNORE,
    (Over, Admit): IGNORE,
    (Over, Drain): IGNORE,
    (Over, Tick): IGNORE,
    # -- one worker --
    (Gone, Attached): IGNORE,
    (Gone, StartFailed): IGNORE,
    (Gone, Exited): IGNORE,  # follows StartFailed, or comes twice
    (Gone, Finished): IGNORE,
    (Gone, Returned): IGNORE,
    (Gone, Unresponsive): IGNORE,
    (Starting, Attached): "attached",
    (Starting, StartFailed): "start_failed",
    (Starting, Exited): "start_failed",
    (Starting, Finished): BUG,  # it was never given a call
    (Starting, Returned): BUG,
    (Starting, Unresponsive): IGNORE,  # its start has a deadline of its own
    (Serving, Attached): IGNORE,
    (Serving, StartFailed): IGNORE,  # a start timer of the shell raced with Attached, and lost
    (Serving, Exited): "lost",
    (Serving, Finished): "finished",
    (Serving, Returned): "returned",
    (Serving, Unresponsive): "unresponsive",
    (Draining, Attached): IGNORE,
    (Draining, StartFailed): IGNORE,
    (Draining, Exited): "buried",
    (Draining, Finished): "finished_last",
    (Draining, Returned): "returned",
    (Draining, Unresponsive): "unresponsive",
    (Stopping, Attached): IGNORE,  # it was stopped while it dialled home
    (Stopping, StartFailed): "buried",  # stopped while it started: no Exited will follow
    (Stopping, Exited): "buried",
    (Stopping, Finished): IGNORE,
    (Stopping, Returned): IGNORE,
    (Stopping, Unresponsive): IGNORE,  # it will be killed when its grace is over
    (Dying, Attached): IGNORE,
    (Dying, StartFailed): "buried",
    (Dying, Exited): "buried",
    (Dying, Finished): "finished_dying",  # the answer came before the kill
    (Dying, Returned): "returned",
    (Dying, Unresponsive): IGNORE,
}
