"""A process that runs a set-user-id program cannot be killed: it is told to be left, and everything else goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.base import identity as ident
from snakepit_cli.warden.births.child import Child
from snakepit_cli.warden.burial import prctl, reap
from snakepit_cli.warden.records.store import Registry
from tests.harness import procs, wait


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Two children; the first may not be signalled."""
    children = [subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) for _ in range(2)]
    protected = children[0].pid
    descriptors: dict[int, int] = {}
    kill, killpg, send, pidfd_open = os.kill, os.killpg, signal.pidfd_send_signal, os.pidfd_open

    def guard(pid: int | None) -> None:
        if pid == protected:
            raise PermissionError(1, "Operation not permitted")

    def opened(pid: int) -> int:
        descriptor = pidfd_open(pid)
        descriptors[descriptor] = pid
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: (guard(pid), kill(pid, number)))
        patch.setattr(os, "killpg", lambda pid, number: (guard(pid), killpg(pid, number)))
        patch.setattr(os, "pidfd_open", opened)
        patch.setattr(signal, "pidfd_send_signal", lambda fd, number: (guard(descriptors.get(fd)), send(fd, number)))
        yield [child.pid for child in children]
    for child in children:
        child.kill()
        child.wait()


def test_the_reaper_ends_the_others_and_says_which_it_could_not(pair: list[int], tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry.db")
    registry.reserve("dead", "worker", [f"p-{pid}" for pid in pair])
    registry.bind([(f"p-{pid}", ident.identify(pid)) for pid in pair])  # type: ignore[misc]
    report = reap.reap(registry, "no such cookie", None)
    assert {one["pid"]: one["ended"] for one in report} == dict(zip(pair, [False, True], strict=True))
    assert [record.id for record in registry.records()] == [f"p-{pair[0]}"], "it is still owed a burial"
    assert procs.alive(pair[0])
    registry.close()


def test_a_child_is_stopped_and_killed_as_far_as_that_goes(pair: list[int]) -> None:
    for pid in pair:
        child = Child("p-1", "worker", "p", pid, None)  # type: ignore[arg-type]
        child.stop(0.0)
        child.kill()
        assert child.killed
    wait.until(lambda: not procs.alive(pair[1]), "the other to end")
    assert procs.alive(pair[0])


def test_at_the_end_of_a_run_nobody_waits_for_it(pair: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prctl, "own_children", lambda: {pid for pid in pair if procs.alive(pid)})
    assert prctl.end_own_children(0.05) == {pair[0]}
