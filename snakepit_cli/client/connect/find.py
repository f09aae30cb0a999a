"""A connection to the server of an instance: find it, or start it. Of several clients that try, one starts it.

That no process listens (ENOENT, ECONNREFUSED) is the only reason to start one. Directories and peers that are not the
caller's own are refused, never repaired.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.client.connect import start_warden

_START_SECONDS = 30.0
_TURN_SECONDS = 0.01
_DEAF_SECONDS = 3.0


def find(instance: str) -> socket.socket | None:
    """Connects to the server that runs, in the usual place or where it says it is. Raises PitError."""
    try:
        folder = paths.runtime_dir(instance)
    except paths.PathError as error:
        raise PitError("unsafe_directory", str(error)) from None
    return _connect(f"{folder}/front.sock") or _connect(_published(instance))


def _published(instance: str) -> str | None:
    """Where a server that was started under another runtime directory listens."""
    facts = endpoint(instance)
    front = facts.get("front")
    return front if isinstance(front, str) and os.path.isabs(front) else None


def endpoint(instance: str) -> dict[str, object]:
    """endpoint.json of a state directory that is ours; empty when there is none."""
    folder = paths.state_dir(instance)
    if not paths.is_ours(folder):
        return {}
    try:
        with open(f"{folder}/endpoint.json", encoding="utf-8") as file:
            facts = json.load(file)
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _connect(path: str | None) -> socket.socket | None:
    if path is None:
        return None
    folder = os.path.dirname(path)
    if not os.path.lexists(folder):
        return None
    if not paths.is_ours(folder):
        raise _unsafe(folder)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
        uid = peer_uid(sock)
        if uid != os.geteuid():
            raise PitError("not_yours", f"the server at {path} belongs to uid {uid}, not to you")
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except OSError as error:
        sock.close()
        raise PitError("unavailable", f"{path}: {error.strerror}") from None
    except PitError:
        sock.close()
        raise
    return sock


def _unsafe(folder: str) -> PitError:
    try:
        paths.secure(folder)
    except paths.PathError as error:
        return PitError("unsafe_directory", str(error))
    return PitError("unsafe_directory", f"{folder} is not yours alone")


def peer_uid(sock: socket.socket) -> int:
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def connect(
    instance: str,
    *,
    start: bool = True,
    notice: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] = lambda _: None,
) -> socket.socket:
    """A connection, with a server started when none runs. `notice` is called when that takes a while, `warn` when its
    state cannot be kept where it should be.

    Raises PitError.
    """
    found = find(instance)
    if found is not None:
        return found
    if not start:
        raise PitError("unavailable", f"no server is running in instance {instance}", hint="run `snakepit up`")
    if (moved := paths.displaced()) is not None:
        warn(moved)
    deadline = time.monotonic() + _START_SECONDS
    places = start_warden.prepare(instance)
    lock = os.open(f"{places.state}/start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while not _locked(lock):
            # Its holder is starting the server now. The kernel frees it with its last holder.
            _turn(deadline, places)
        return _start(places, deadline, notice)
    finally:
        os.close(lock)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _turn(deadline: float, places: start_warden.Places) -> None:
    if time.monotonic() > deadline:
        raise start_warden.too_slow(places, _START_SECONDS)
    time.sleep(_TURN_SECONDS)


def _start(places: start_warden.Places, deadline: float, notice: Callable[[], None]) -> socket.socket:
    """Holds the start lock. Another warden may be ending just now: then waits for its end and starts again."""
    while True:
        found = find(places.instance)
        if found is not None:
            return found
        front = start_warden.warden(places, deadline, notice)
        if front is not None and (found := _connect(front)) is not None:
            return found
        began = time.monotonic()
        while _warden_lives(places) and (found := find(places.instance)) is None:
            if time.monotonic() - began > _DEAF_SECONDS:
                _expect_socket(places.instance)
            _turn(deadline, places)
        if found is not None:
            return found
        _turn(deadline, places)


def _expect_socket(instance: str) -> None:
    """A warden that ends removes its socket and the note of it together, at once. Raises PitError."""
    front = _published(instance)
    if front is not None and not os.path.lexists(front):
        raise PitError(
            "unavailable",
            f"a server runs in instance {instance}, but its socket {front} has been removed",
            hint="end it with `snakepit down`",
        )


def _warden_lives(places: start_warden.Places) -> bool:
    """Whether a warden holds the instance's lock."""
    try:
        lock = os.open(f"{places.state}/lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
