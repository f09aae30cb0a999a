"""The warden's side of a template: a process that has imported everything and forks on command.

Messages are JSON, one a packet (base/packets.py), descriptors ride along. Each child gets its own socket, its *gate*:
it says its pid there, waits there until it is registered, is told there what to be, and sees there when the
warden dies. docs/reference/worker-contract.md describes the exchange.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snakepit_cli.base import identity as ident
from snakepit_cli.base import packets
from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.records.logs import Pump

BATCH = 64
"""Children asked for in one message: descriptors in one packet are limited (253 on Linux)."""


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> str | None:
    """None when it was sent, else why it was not. Never waits for a template that does not read."""
    try:
        packets.send(channel, json.dumps(message).encode(), descriptors)
    except BlockingIOError:
        return "it does not read"
    except (BrokenPipeError, ConnectionResetError):
        return "it is gone"
    except OSError as error:
        return str(error.strerror)
    except packets.PacketError as error:
        return str(error)
    return None


def hung_up(channel: socket.socket) -> bool:
    """Whether the process at the other end is gone, or our end is closed because it was."""
    if channel.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(channel, 0)
    return bool(poll.poll(0))


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """The next message; None when the other side is gone or speaks nonsense."""
    try:
        data, _ = packets.receive(channel)
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
    parent: socket.socket
    """Control socket of the template."""

    def waiting(self) -> list[Unborn]:
        return [one for one in self.unborn if one.identity is None]


def said_pid(one: Unborn) -> bool:
    """Reads what the child says on its gate; False when it says nothing true."""
    message = receive(one.gate)
    pid = message.get("pid") if message else None
    found = ident.stat(pid) if isinstance(pid, int) else None
    if found is None or found.ppid != os.getpid():
        return False
    one.identity = Identity(ident.boot_id(), ident.pid_namespace(), int(str(pid)), found.start)
    return True
