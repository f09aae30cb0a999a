"""Adapters whose commands are all async: several calls at once on one worker, each ended alone."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import Pit

ADAPTER = """
import asyncio
import os
import time
from pathlib import Path

from snakepit_bridge import BaseAdapter, command


class Meeting(BaseAdapter):
    capacity = 3

    async def initialize(self):
        self.here = 0
        self.complete = asyncio.Event()

    @command
    async def meet(self, people: int) -> int:
        self.here += 1
        if self.here == people:
            self.complete.set()
        await self.complete.wait()
        return os.getpid()

    @command
    async def nap(self, note: str) -> None:
        if note != os.devnull:
            Path(f"{note}.begun").touch()
        try:
            await asyncio.sleep(600)
        finally:
            Path(note).write_text("given up")

    @command
    async def drip(self, note: str):
        try:
            while True:
                yield 1
                await asyncio.sleep(0.01)
        finally:
            Path(note).write_text("given up")

    @command
    async def count(self, n: int):
        for i in range(n):
            yield i

    @command
    async def pid(self) -> int:
        return os.getpid()

    @command
    async def cling(self, note: str) -> None:
        Path(note).write_text("begun")
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass

    @command
    async def block(self, note: str) -> None:
        Path(note).write_text("begun")
        time.sleep(600)

    @command
    async def fail(self) -> None:
        raise LookupError("deep down")

    @command
    async def leave(self) -> None:
        os._exit(7)
"""
CONFIG = '[pools.default]\nadapter = "adapter.py"\nsize = 1\n[limits]\nqueue_timeout = 60\ncancel_grace = 0.3\n'
LONG = ("--timeout", "600")


@pytest.fixture(scope="module")
def meeting() -> Iterator[Pit]:
    """One worker with room for three calls."""
    with Pit(CONFIG) as one:
        one.run("up", "--adapter", one.adapter(ADAPTER))
        yield one


@pytest.fixture
def worker(meeting: Pit) -> Iterator[int]:
    """Its pid. Afterwards it must be the same, idle and willing."""
    before = idle(meeting)
    yield before
    assert idle(meeting) == before
    assert meeting.run("exec", "pid").stdout == f"{before}\n"


def idle(pit: Pit) -> int:
    pit.until_pool("the worker to be idle", ready=1, busy=0, running=0, starting=0)
    (one,) = pit.workers()
    pid: int = one["pid"]
    return pid


def test_calls_run_together(meeting: Pit, worker: int) -> None:
    """None of the three could end without the others."""
    calls = [meeting.start("exec", "meet", "people:=3") for _ in range(3)]
    assert [finish(call)[:2] for call in calls] == [(0, f"{worker}\n")] * 3


def test_no_more_than_there_is_room_for(meeting: Pit, worker: int) -> None:
    notes = [meeting.work / f"nap-{n}" for n in range(4)]
    calls = [meeting.start("exec", "nap", f"note={note}", *LONG) for note in notes]
    pool = meeting.until_pool("three to run and one to wait", running=3, queued=1)
    assert (pool["size"], pool["busy"]) == (1, 1)
    for call in calls:
        call.kill()
        finish(call)


def test_ctrl_c_ends_one_call_and_no_other(meeting: Pit, worker: int) -> None:
    ended, spared = meeting.work / "ended", meeting.work / "spared"
    call = foreground(meeting, "exec", "nap", f"note={ended}", *LONG)
    other = foreground(meeting, "exec", "nap", f"note={spared}", *LONG)
    for note in (ended, spared):
        wait.until(Path(f"{note}.begun").exists, "both to begin")
    call.send_signal(signal.SIGINT)
    code, out, err = finish(call)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    wait.until(ended.exists, "the handler to be cancelled")
    meeting.until_pool("the other to run on", running=1)
    assert not spared.exists()
    assert meeting.run("exec", "pid").stdout == f"{worker}\n"
    other.kill()
    finish(other)
    wait.until(spared.exists, "the other handler to be cancelled, too")


def test_ctrl_c_closes_an_async_generator(meeting: Pit, worker: int) -> None:
    note = meeting.work / "drip"
    call = foreground(meeting, "stream", "drip", f"note={note}", *LONG)
    assert call.stdout is not None
    assert call.stdout.readline() == "1\n"
    call.send_signal(signal.SIGINT)
    assert finish(call)[0] == 130
    wait.until(note.exists, "the generator to be closed")


def test_a_call_that_takes_too_long(meeting: Pit, worker: int) -> None:
    note = meeting.work / "late"
    error = meeting.json("exec", "nap", f"note={note}", "--timeout", "0.5", check=False)["error"]
    assert (error["kind"], error["exit"]) == ("worker_timeout", 124)
    wait.until(note.exists, "the handler to be cancelled")


def test_streams_run_side_by_side(meeting: Pit, worker: int) -> None:
    calls = [meeting.start("stream", "count", "n:=5000") for _ in range(3)]
    wanted = "".join(f"{i}\n" for i in range(5000))
    assert [finish(call)[:2] for call in calls] == [(0, wanted)] * 3


def test_a_failure_is_that_of_one_call(meeting: Pit, worker: int) -> None:
    note = meeting.work / "beside"
    other = meeting.start("exec", "nap", f"note={note}", *LONG)
    meeting.until_pool("it to run", running=1)
    done = meeting.run("exec", "fail", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "LookupError: deep down" in done.stderr
    assert meeting.pool()["running"] == 1
    other.kill()
    finish(other)


@pytest.mark.parametrize("command", ["cling", "block"])
def test_a_handler_that_does_not_give_up_is_killed(meeting: Pit, command: str) -> None:
    """One that swallows its cancellation, and one that holds up the event loop."""
    before = idle(meeting)
    note = meeting.work / command
    call = foreground(meeting, "exec", command, f"note={note}", *LONG)
    wait.until(note.exists, "it to begin")  # one that has not begun gives up at once
    call.send_signal(signal.SIGINT)
    assert finish(call)[:2] == (130, "")
    wait.until(lambda: not procs.alive(before), "the worker to be killed")
    assert idle(meeting) != before
    assert meeting.run("exec", "pid").returncode == 0


def test_a_crash_is_told_to_all_its_calls(meeting: Pit) -> None:
    idle(meeting)
    calls = [meeting.start("exec", "nap", f"note={os.devnull}", "--json", *LONG) for _ in range(2)]
    meeting.until_pool("both to run", running=2)
    errors = [meeting.json("exec", "leave", check=False)["error"]]
    for call in calls:
        code, out, _ = finish(call)
        assert code == 71
        errors.append(json.loads(out)["error"])
    assert {(error["kind"], error["worker"]) for error in errors} == {("worker_crashed", errors[0]["worker"])}
    assert all("exited with status 7" in error["message"] for error in errors)
    idle(meeting)
    assert meeting.run("exec", "pid").returncode == 0
