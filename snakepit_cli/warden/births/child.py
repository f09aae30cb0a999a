"""The processes that the warden has started and not yet buried."""

from __future__ import annotations

import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.warden.burial import cgroups, prctl
from snakepit_cli.warden.records.logs import Pump


@dataclass
class Child:
    id: str
    role: str
    """server | template | worker"""
    pool: str
    pid: int
    pump: Pump
    channel: socket.socket | None = None
    """Control pipe of a server or template, lifeline of a forked worker; closing it tells the child."""
    talk: Ends | None = None
    """The other ends of its stdin and stdout, until the server has them."""
    cage: Path | None = None
    """The cgroup that it and all that it starts are in, where there are any."""
    ready: bool = False
    """A template that has said so."""
    kill_at: float | None = None
    """When a stop turns into a kill (monotonic seconds); None until it is asked to stop."""
    killed: bool = False
    """By us."""
    why: str | None = None
    """The reason for which we killed it, when that was not asked for."""

    def stop(self, deadline: float) -> None:
        """TERM now, KILL at the deadline. Asking again never postpones it."""
        if self.kill_at is None:
            prctl.kill_own_child(self.pid, signal.SIGTERM)
        self.kill_at = deadline if self.kill_at is None else min(self.kill_at, deadline)

    def kill(self, why: str | None = None) -> None:
        """At once, with all of its session and cgroup. `why` is told when it is buried."""
        self.killed = True
        self.why = self.why or why
        if self.cage is not None:
            cgroups.kill(self.cage)
        else:
            prctl.kill_descendants(self.pid)  # while it is known whose they are
        prctl.kill_group(self.pid)
        prctl.kill_own_child(self.pid)

    def close(self) -> None:
        """After death: takes the last output and lets go of the descriptors."""
        self.pump.drain()
        self.pump.close()
        if self.channel is not None:
            self.channel.close()


class Children(dict[int, Child]):
    """Pid → child, from its birth to its burial."""

    def named(self, name: str) -> Child | None:
        return next((child for child in self.values() if child.id == name), None)

    def of_role(self, role: str) -> list[Child]:
        return [child for child in self.values() if child.role == role]

    def ids(self, role: str) -> list[str]:
        return [child.id for child in self.of_role(role)]

    def enforce(self, now: float) -> None:
        """Kills those that were asked to stop and have had the time."""
        for child in self.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.kill()
