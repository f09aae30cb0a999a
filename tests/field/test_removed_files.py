"""Directories and sockets of an instance are removed under it: it mends them, and there is never more than one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import procs, wait
from tests.harness.pit import Pit

REMOVED: dict[str, Callable[[Path], None]] = {
    "the runtime directory": lambda folder: shutil.rmtree(folder / "run"),
    "the front socket": lambda folder: (folder / "run/default/front.sock").unlink(),
    "the gateway socket": lambda folder: (folder / "run/default/gateway.sock").unlink(),
    "the lock beside the sockets": lambda folder: (folder / "run/default/lock").unlink(),
    "the state directory": lambda folder: shutil.rmtree(folder / "state"),
    "the lock beside the registry": lambda folder: (folder / "state/default/lock").unlink(),
}
FILES = ("run/default/front.sock", "run/default/gateway.sock", "run/default/lock", "state/default/lock",
         "state/default/cookie", "state/default/endpoint.json")  # fmt: skip


@pytest.fixture(scope="module")
def pit():
    with Pit() as one:
        one.run("up", "--size", "1")
        yield one


@pytest.mark.parametrize("remove", REMOVED.values(), ids=REMOVED.keys())
def test_it_is_mended_and_all_goes_on(pit: Pit, remove: Callable[[Path], None]) -> None:
    warden, cookie = pit.warden, pit.cookie
    (worker,) = pit.workers()
    remove(pit.folder)
    wait.until(lambda: all((pit.folder / name).exists() for name in FILES), "everything to be made again")
    assert pit.run("exec", "ping").returncode == 0
    assert pit.run("reap").returncode == 0
    assert (pit.warden, pit.cookie) == (warden, cookie)
    assert [one["pid"] for one in pit.workers()] == [worker["pid"]]
    procs.kill(worker["pid"])
    wait.until(lambda: [one["pid"] for one in pit.workers()] != [worker["pid"]], "the death to be noticed")
    assert pit.run("exec", "ping").returncode == 0, "a new worker finds the gateway"


def test_a_command_that_comes_at_once_waits_for_the_sockets(pit: Pit) -> None:
    warden = pit.warden
    shutil.rmtree(pit.folder / "run")
    assert pit.run("exec", "ping").returncode == 0
    assert pit.warden == warden


def test_when_another_one_has_taken_the_place_the_first_ends_and_touches_nothing() -> None:
    with Pit() as pit:
        pit.run("up", "--size", "1")
        old = pit.processes()
        first = pit.warden
        shutil.rmtree(pit.folder / "run")
        shutil.rmtree(pit.folder / "state")
        assert pit.run("exec", "ping").returncode == 0  # it may have been mended already
        second = pit.warden
        if second != first:
            wait.until(lambda: not any(procs.alive(pid) for pid in old), "the first to end")
        assert pit.run("exec", "ping").returncode == 0
        assert pit.warden == second


def test_two_homes_with_one_runtime_directory_have_one_instance() -> None:
    """The state directories differ, as between a login and a cron job."""
    with Pit() as pit:
        commands = [
            pit.start("exec", "ping", env={**pit.env, "SNAKEPIT_STATE_DIR": str(pit.folder / f"state{number}")})
            for number in (1, 2)
        ]
        for command in commands:
            _, err = command.communicate(timeout=60)
            assert command.returncode == 0, err
        logs = [path.read_text() for path in pit.folder.glob("state*/default/logs/warden.log")]
        assert sum("warden started" in log for log in logs) == 1
        pids = {pid for path in pit.folder.glob("state*/default/cookie") for pid in procs.marked(path.read_text())}
        for number in (1, 2):
            pit.run(
                "down", "--all", env={**pit.env, "SNAKEPIT_STATE_DIR": str(pit.folder / f"state{number}")}, check=False
            )
        wait.until(lambda: not any(procs.alive(pid) for pid in pids), "it to end")
