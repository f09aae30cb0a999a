"""Named places at which a process can be made to fail, to prove that it may.

    SNAKEPIT_FAILPOINT='warden.after-fork=kill, server.call=sleep:2 @3'

The action comes at the first time the place is passed, or at the N-th with `@N`, and only once; `*` instead of a
number means every time. Off, and next to free, when the variable is not set. Standard library only.
"""

from __future__ import annotations

import errno
import os
import signal
import time

POINTS = {
    "warden.locked": "it has the lock of the instance; nothing is registered, nothing runs",
    "warden.listening": "the front socket exists and is published; no server yet",
    "warden.after-fork": "a child waits at its gate; its identity is in no file",
    "warden.before-commit": "identities are written but not durable",
    "warden.after-commit": "identities are durable; the gates are closed",
    "warden.before-gate": "one gate of several is about to open",
    "warden.after-gate": "the child executes; the server does not know yet",
    "warden.asked": "the server has asked for something",
    "warden.child-died": "a child is dead and not yet reaped",
    "warden.server-gone": "the server is dead; no new one has been started",
    "warden.stopping": "everything has been asked to end",
    "warden.ended": "every child is gone; the registry is not closed yet",
    "reap.found": "orphans are known, none has been signalled",
    "reap.verified": "one orphan has been verified by its descriptor and is about to be signalled",
    "reap.forgotten": "rows of the dead have been taken out, not yet durably",
    "registry.opened": "the file is open, not yet checked",
    "server.hello": "the server knows what the warden knows; it listens on nothing",
    "server.gateway": "workers may attach; clients are not served yet",
    "server.ready": "it accepts commands; the warden has not been told",
    "server.call": "a call has been accepted and not yet given to a worker",
    "server.result": "a result has come and not yet been passed on",
    "store.commit": "a batch of changes of sessions is complete and not yet committed",
    "server.memo": "a pool has changed and the warden has not been told",
    "server.drain": "pools are about to be stopped",
    "server.tick": "the event loop has come round",
}
"""Name → what is true there."""


class _Armed:
    def __init__(self, action: str, at: int | None) -> None:
        self.action = action
        self.at = at
        self.passed = 0

    def due(self) -> bool:
        self.passed += 1
        return self.at is None or self.passed == self.at


def _parse(text: str) -> dict[str, _Armed]:
    """Raises ValueError."""
    armed = {}
    for part in text.split(","):
        name, equals, rest = part.strip().partition("=")
        action, _, when = (word.strip() for word in rest.partition("@"))
        if name not in POINTS or not equals or action.partition(":")[0] not in _ACTIONS:
            raise ValueError(f"SNAKEPIT_FAILPOINT: {part.strip()!r} is not POINT=kill|stop|sleep:SECONDS|eio[@N]")
        armed[name] = _Armed(action, None if when == "*" else int(when or 1))
    return armed


def _kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(_: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _sleep(seconds: str) -> None:
    time.sleep(float(seconds))


def _eio(_: str) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


_ACTIONS = {"kill": _kill, "stop": _stop, "sleep": _sleep, "eio": _eio}
_armed = _parse(text) if (text := os.environ.get("SNAKEPIT_FAILPOINT")) else {}


def failpoint(name: str) -> None:
    """This place is passed now. Raises OSError (EIO) when that is asked for."""
    if _armed and (found := _armed.get(name)) is not None and found.due():
        action, _, value = found.action.partition(":")
        _ACTIONS[action](value)
