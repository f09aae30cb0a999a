"""Where one instance keeps what the warden makes."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snakepit_cli.base import paths

_BACKLOG = 1024


@dataclass(frozen=True)
class Places:
    instance: str
    runtime: Path
    state: Path
    held: dict[Path, int] = field(default_factory=dict, compare=False)
    """Lock file → our descriptor of it."""
    _made: dict[Path, tuple[int, int] | None] = field(default_factory=dict, compare=False)
    """Files that we have made."""

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
        """The locks of the instance, held until we end; None when another warden has one of them.

        There is one beside the registry and one beside the sockets: the runtime directory differs between a login and
        a cron job of the same user, and the state directory between two homes.
        """
        for path in self._lock_files():
            if (descriptor := _locked(path)) is None:
                for held in self.held.values():
                    os.close(held)
                self.held.clear()
                return None
            self.held[path] = descriptor
        return next(iter(self.held.values()))

    def relock(self) -> bool:
        """Takes locks again whose files or directories have been removed; False when another warden has one by now.

        Raises OSError, PathError.
        """
        for path in [path for path in self.held if not self._holds(path)]:
            paths.secure(str(path.parent))
            if path.parent == self.state:
                paths.secure(str(self.state / "logs"))
            if (descriptor := _locked(path)) is None:
                return False
            os.close(self.held[path])
            self.held[path] = descriptor
        return True

    def _lock_files(self) -> list[Path]:
        folders = [self.state] if os.path.samefile(self.state, self.runtime) else [self.state, self.runtime]
        return [folder / "lock" for folder in folders]

    def _holds(self, path: Path) -> bool:
        """Whether the lock that another warden would find there is the one that we hold."""
        return path in self.held and _identity(path) == _identity(self.held[path])

    def is_made(self, path: Path) -> bool:
        """Whether the file there is the one that we made."""
        return path in self._made and self._made[path] == _identity(path)

    def listen(self) -> socket.socket:
        """The front socket. Bound under another name and renamed, so that its path never leads to a deaf socket.

        The warden keeps it open: clients that connect while the server restarts wait in the queue.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        temporary = self.runtime / "front.sock.new"
        try:
            temporary.unlink(missing_ok=True)
            listener.bind(str(temporary))
            listener.listen(_BACKLOG)
            temporary.replace(self.front)
        except OSError:
            listener.close()
            raise
        self._made[self.front] = _identity(self.front)
        return listener

    def publish(self, facts: Mapping[str, Any]) -> None:
        """Tells clients that look in the state directory where the sockets are."""
        temporary = self.endpoint.with_name("endpoint.new")
        try:
            temporary.write_text(json.dumps(facts))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(temporary)) from None  # a failed write has no name
        temporary.replace(self.endpoint)
        self._made[self.endpoint] = _identity(self.endpoint)

    def unpublish(self) -> None:
        """Removes what leads to us, but nothing that another warden has made meanwhile. Raises OSError."""
        for path in (self.front, self.gateway, self.endpoint):
            locked = all(self._holds(file) for file in self._lock_files() if file.parent == path.parent)
            # We hold the lock: what a dead warden left can go. What another warden has put in its place must stay.
            if locked and (path not in self._made or self.is_made(path)):
                path.unlink(missing_ok=True)


def _identity(file: Path | int) -> tuple[int, int] | None:
    """Device and inode; None when there is none."""
    try:
        found = os.stat(file, follow_symlinks=False) if isinstance(file, Path) else os.fstat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _locked(path: Path) -> int | None:
    """None when another process has the lock. The path is compared afterwards: the file that we locked may have been
    unlinked in between. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _identity(descriptor) == _identity(path):
            return descriptor
        os.close(descriptor)
