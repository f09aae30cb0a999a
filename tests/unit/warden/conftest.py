"""The warden's parts, put together in the test's own process."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from snakepit_cli.warden.births.child import Child, Children
from snakepit_cli.warden.births.spawner import Spawner
from snakepit_cli.warden.burial import prctl
from snakepit_cli.warden.burial.cgroups import Cgroups
from snakepit_cli.warden.loop import Loop
from snakepit_cli.warden.records.ledger import Ledger
from snakepit_cli.warden.records.paths import Places
from snakepit_cli.warden.records.store import Registry


def open_descriptors() -> set[int]:
    return set(_open())


def _open() -> dict[int, str]:
    """Descriptor → what it is open on."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


@contextmanager
def nothing_left_open(folder: Path | None = None) -> Iterator[None]:
    """What is opened meanwhile is closed in the end.

    Threads and garbage of earlier tests open and close files, too: only what the warden opens counts (pipes, sockets,
    pidfds, files in the folder), and what is open for a moment only is waited for. The warden opens no eventfd; gRPC,
    where an earlier test used it, replaces its own after each fork.
    """
    anonymous = ("anon_inode:[pidfd]", "anon_inode:[eventpoll]", "/memfd:")
    kinds = ("pipe:", "socket:", *anonymous, *([str(folder)] if folder else []))
    before = _open().items()

    def left() -> dict[int, str]:
        return {fd: what for fd, what in _open().items() - before if what.startswith(kinds)}

    yield
    deadline = time.monotonic() + 5.0
    while left() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left() == {}


class Rig:
    """A loop, a registry and a spawner; `born`, `failed` and `notes` are what they said."""

    def __init__(self, folder: Path) -> None:
        self.notes: list[str] = []
        self.born: dict[str, Child] = {}
        self.failed: dict[str, str] = {}
        self.lost: dict[str, str] = {}
        self.told: list[dict[str, object]] = []
        self.loop = Loop(self.notes.append)
        (folder / "logs").mkdir()
        self.places = Places("default", folder, folder)
        self.ledger = Ledger(Registry(folder / "registry.db"), "run", self.notes.append)
        self.children = Children()
        self.spawner = Spawner(
            self.loop, self.ledger, self.places, Cgroups(None), {"MARK": "mark"}, born=self._born,
            failed=self.failed.__setitem__, lost=self.lost.__setitem__,
        )  # fmt: skip

    def _born(self, child: Child) -> None:
        self.born[child.id] = self.children[child.pid] = child

    def until(self, condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
        """Runs the loop until the condition holds."""
        deadline = time.monotonic() + seconds

        def look() -> None:
            if condition() or time.monotonic() > deadline:
                self.loop.stop()
            else:
                self.loop.at(time.monotonic() + 0.002, look)

        self.loop._running = True
        look()
        self.loop.run()
        assert condition(), what

    def log(self, name: str) -> str:
        """Without the times."""
        path = self.places.log(name)
        text = path.read_text() if path.exists() else ""
        return re.sub(r"^\S+Z ", "", text, flags=re.MULTILINE)

    def ended(self, name: str) -> int:
        """Exit code of a child, when all that it wrote is in its log."""
        child = self.born[name]
        code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        child.pump.drain()
        return code

    def bury(self, child: Child) -> None:
        """As the warden does with one that has died."""
        del self.children[child.pid]
        self.loop.forget(child.pump.fd)
        if child.channel is not None:
            self.loop.forget(child.channel)
        child.close()

    def close(self) -> None:
        for child in self.children.values():
            child.kill()
        prctl.end_own_children(5.0)
        for birth in self.spawner._births:
            for unborn in birth.unborn:
                self.spawner._release(unborn)
        for child in list(self.children.values()):
            self.bury(child)
        for end in (self.spawner._lifeline, self.spawner._lifeline_write):
            os.close(end)
        self.ledger.close()
        self.loop.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGCHLD)}
    one = Rig(tmp_path)
    yield one
    one.close()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def few_files() -> Iterator[Callable[[int], None]]:
    """Called with N: that many more descriptors can be opened."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(more: int) -> None:
        # A limit is on the number, so holes below the highest open one count as free, too.
        free, number, taken = 0, 0, open_descriptors()
        while free < more or number <= 2:
            free += number not in taken
            number += 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
