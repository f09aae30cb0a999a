"""The warden's side of a template: a process that has imported everything and forks on command.

Messages are JSON, one a packet (SOCK_SEQPACKET), descriptors ride along. Each child gets its own socket, its *gate*:
it says its pid there, waits there until it is registered, is told there what to be, and sees there when the
warden dies. docs/worker-contract.md describes the exchange.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snakepit_cli.registry import identity as ident
from snakepit_cli.registry.identity import Identity
from snakepit_cli.warden.logs import Pump

PACKET = 1 << 16
BATCH = 64
"""Children asked for in one message: descriptors in one packet are limited (253 on Linux)."""


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> bool:
    """False when the other side is gone."""
    try:
        socket.send_fds(channel, [json.dumps(message).encode()], list(descriptors))
    except OSError:
        return False
    return True


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """The next message; None when the other side is gone or speaks nonsense."""
    try:
        data = channel.recv(PACKET)
        message = json.loads(data) if data else None
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


@dataclass
class Unborn:
    """A child that was asked for: `go` is what it will be told, `pump` takes what it will write."""

    id: str
    role: str
    go: dict[str, Any]
    pump: Pump
    gate: socket.socket
    identity: Identity | None = None


@dataclass
class Birth:
    """Children asked for together: they are registered together, in one commit, when the last has said its pid."""

    unborn: list[Unborn]
    deadline: float
    failed: list[Unborn] = field(default_factory=list)

    def waiting(self) -> list[Unborn]:
        return [one for one in self.unborn if one.identity is None]

    def said_pid(self, one: Unborn) -> None:
        """Reads what the child says on its gate; a child that says nothing true has failed."""
        message = receive(one.gate)
        pid = message.get("pid") if message else None
        found = ident.stat(pid) if isinstance(pid, int) else None
        if found is None or found.ppid != os.getpid():
            self.fail(one)
        else:
            one.identity = Identity(ident.boot_id(), ident.pid_namespace(), int(str(pid)), found.start)

    def fail(self, one: Unborn) -> None:
        self.unborn.remove(one)
        self.failed.append(one)
