"""Where one instance keeps what the warden makes."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakepit_cli.base import paths

_BACKLOG = 1024


@dataclass(frozen=True)
class Places:
    instance: str
    runtime: Path
    state: Path

    @classmethod
    def of(cls, instance: str) -> Places:
        """Creates or checks both directories. Raises paths.PathError."""
        runtime, state = paths.runtime_dir(instance), paths.state_dir(instance)
        paths.secure(runtime)
        paths.secure(state)
        paths.secure(f"{state}/logs")
        return cls(instance, Path(runtime), Path(state))

    @property
    def front(self) -> Path:
        return self.runtime / "front.sock"

    @property
    def gateway(self) -> Path:
        return self.runtime / "gateway.sock"

    @property
    def registry(self) -> Path:
        return self.state / "registry.db"

    @property
    def endpoint(self) -> Path:
        return self.state / "endpoint.json"

    def log(self, name: str) -> Path:
        return self.state / "logs" / f"{name.replace(':', '-')}.log"

    def lock(self) -> int | None:
        """The lock of the instance, held until the descriptor closes; None when another warden has it.

        It lies in the state directory, beside what it protects: the runtime directory differs between a login
        and a cron job of the same user. The path is compared afterwards, because the file that we locked may have
        been unlinked in between.
        """
        path = self.state / "lock"
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            try:
                if os.fstat(fd).st_ino == os.stat(path).st_ino:
                    return fd
            except FileNotFoundError:
                pass
            os.close(fd)

    def listen(self) -> socket.socket:
        """The front socket. Bound under another name and renamed, so that its path never leads to a deaf socket.

        The warden keeps it open: clients that connect while the server restarts wait in the queue.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        temporary = self.runtime / "front.sock.new"
        temporary.unlink(missing_ok=True)
        listener.bind(str(temporary))
        listener.listen(_BACKLOG)
        temporary.replace(self.front)
        return listener

    def publish(self, facts: dict[str, Any]) -> None:
        """Tells clients that look in the state directory where the sockets are."""
        temporary = self.endpoint.with_name("endpoint.new")
        temporary.write_text(json.dumps(facts))
        temporary.replace(self.endpoint)

    def unpublish(self) -> None:
        for path in (self.front, self.gateway, self.endpoint):
            path.unlink(missing_ok=True)
