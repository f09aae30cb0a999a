"""Orphans of dead runs: both channels find them, neither touches a foreign process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from snakepit_cli.base import identity as ident
from snakepit_cli.warden.burial import reap
from snakepit_cli.warden.records.store import Registry
from tests.harness import procs, wait

SECRET = f"the cookie of process {os.getpid()}"  # these tests may run side by side


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    one = Registry(tmp_path / "registry.db")
    yield one
    one.close()


class Sleepers:
    def __init__(self) -> None:
        self.all: list[subprocess.Popen[bytes]] = []

    def __call__(self, **env: str) -> int:
        process = subprocess.Popen(["/bin/sleep", "600"], env=env)
        self.all.append(process)
        name = next(iter(env), None)
        if name:
            wait.until(lambda: name.encode() in ident.environment(process.pid), "the program to be executed")
        return process.pid


@pytest.fixture
def sleeper() -> Iterator[Sleepers]:
    sleepers = Sleepers()
    yield sleepers
    for process in sleepers.all:
        process.kill()
        process.wait()


def register(registry: Registry, name: str, pid: int, run: str = "old", **change: object) -> None:
    identity = ident.identify(pid)
    assert identity is not None
    registry.reserve(run, "worker", [name])
    registry.bind([(name, replace(identity, **change))])


def test_a_registered_orphan_is_ended_and_its_row_goes(registry: Registry, sleeper: Sleepers) -> None:
    pid = sleeper()
    register(registry, "a-1", pid)
    (report,) = reap.reap(registry, SECRET, None)
    assert (report["id"], report["pid"], report["evidence"], report["ended"]) == ("a-1", pid, ["registry"], True)
    assert not procs.alive(pid)
    assert list(registry.records()) == []


def test_an_unregistered_orphan_is_found_by_its_cookie(registry: Registry, sleeper: Sleepers) -> None:
    pid = sleeper(SNAKEPIT_COOKIE=SECRET, SNAKEPIT_RUN="old")
    (report,) = reap.reap(registry, SECRET, None)
    assert (report["pid"], report["evidence"], report["ended"]) == (pid, ["environment"], True)
    assert not procs.alive(pid)


def test_what_belongs_to_the_live_run_is_spared(registry: Registry, sleeper: Sleepers) -> None:
    pid = sleeper(SNAKEPIT_COOKIE=SECRET, SNAKEPIT_RUN="live")
    register(registry, "a-1", pid, run="live")
    assert reap.reap(registry, SECRET, "live") == []
    assert procs.alive(pid)
    assert len(list(registry.records())) == 1


def test_a_dry_run_only_reports(registry: Registry, sleeper: Sleepers) -> None:
    pid = sleeper(SNAKEPIT_COOKIE=SECRET, SNAKEPIT_RUN="old")
    register(registry, "a-1", pid)
    (report,) = reap.reap(registry, SECRET, None, dry_run=True)
    assert (report["evidence"], report["ended"]) == (["registry", "environment"], False)
    assert procs.alive(pid)
    assert len(list(registry.records())) == 1


def test_strangers_with_a_recorded_pid_are_never_hurt(registry: Registry, sleeper: Sleepers) -> None:
    """The pid was reused, the machine rebooted, or the row comes from another container."""
    pids = [sleeper() for _ in range(3)]
    register(registry, "reused", pids[0], start=1)
    register(registry, "rebooted", pids[1], boot="another")
    register(registry, "elsewhere", pids[2], pidns=1)
    assert reap.reap(registry, SECRET, None) == []
    assert all(procs.alive(pid) for pid in pids)
    assert list(registry.records()) == []


def test_look_alikes_are_never_hurt(registry: Registry, sleeper: Sleepers) -> None:
    other = sleeper(SNAKEPIT_COOKIE="another instance's secret", SNAKEPIT_RUN="old")
    named = sleeper(SNAKEPIT_INSTANCE="default")
    assert reap.reap(registry, SECRET, None) == []
    assert procs.alive(other)
    assert procs.alive(named)


def test_we_and_our_ancestors_are_spared(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """`snakepit reap` may be run from inside a worker of the dead run."""
    assert os.getpid() in reap._lineage()
    assert os.getppid() in reap._lineage()


def test_a_reserved_row_without_a_process_is_dropped(registry: Registry) -> None:
    registry.reserve("old", "worker", ["a-1"])
    assert reap.reap(registry, SECRET, None) == []
    assert list(registry.records()) == []


def test_the_cookie_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = reap.cookie(tmp_path)
    assert reap.cookie(tmp_path) == first
    assert len(first) == 32
    assert (tmp_path / "cookie").stat().st_mode & 0o777 == 0o600
