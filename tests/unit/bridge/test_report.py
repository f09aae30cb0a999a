"""Answers that are kept back: in the journal until they leave, together, and never for long."""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.runtime import report as reports
from snakepit_bridge.runtime.calls import Call
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.report import Report
from snakepit_bridge.runtime.segments import Segments

HEAD = struct.Struct("<4Q")


class Block:
    """A call with a block, and what it has sent."""

    def __init__(self, folder: Path, *, careful: bool = False, room: int = 1 << 20, **spec: Any) -> None:
        welcome = pb.Welcome(segments=str(folder), segment_name="w-1-", segment_bytes=room, reference_above=100_000)
        self.outbox = Outbox(pb.FromWorker(), lambda: None)
        self.outbox.take()
        fields = {"id": 7, "takes_references": True, "credit_bytes": 1 << 22, **spec}
        self.segments = Segments(welcome, lambda _: None)
        self.call = Call(pb.Call(**fields), self.outbox, None, self.segments)
        self.report = Report(self.call, careful=careful)
        self.journal = folder / "w-1-journal"

    def answer(self, *values: bytes) -> None:
        for value in values:
            self.report.add(value)
        self.report.send()

    def sent(self) -> list[tuple[bytes, int, list[int]]]:
        """The parts that have been put into the outbox since."""
        data = self.outbox.take()
        parts = pb.FromWorker.FromString(data).chunks if data else []
        return [(part.lines, part.count, list(part.failed)) for part in parts]

    def kept(self) -> tuple[int, int, bytes]:
        call, sent, count, size = HEAD.unpack(self.journal.read_bytes()[: HEAD.size])
        lines = self.journal.read_bytes()[HEAD.size : HEAD.size + size]
        assert lines.count(b"\n") == count
        return call, sent, lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [100.0]
    monkeypatch.setattr(reports, "monotonic", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


def test_answers_are_kept_until_the_last_and_leave_together(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path)
    block.answer(b"1", b"2")
    block.answer(b"3")
    assert block.sent() == []
    assert block.kept() == (7, 0, b"1\n2\n3\n")
    block.report.add(b"4")
    block.report.send(last=True)
    assert block.sent() == [(b"1\n2\n3\n4\n", 4, [])]
    assert block.outbox.late is None


def test_the_journal_goes_on_where_the_last_message_ended(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path)
    block.answer(b"1")
    clock(0.03)
    block.answer(b"2")
    assert block.sent() == [(b"1\n2\n", 2, [])]
    block.answer(b"3")
    assert block.kept() == (7, 2, b"3\n")


def test_with_care_each_answer_is_in_the_journal_before_the_next_item(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    block = Block(tmp_path, careful=True)
    assert block.report.due <= 100.0
    block.answer(b"1")
    assert (block.report.due <= 100.0, block.kept(), block.sent()) == (True, (7, 0, b"1\n"), [])
    block.answer(b"2")
    assert block.kept() == (7, 0, b"1\n2\n")
    clock(0.03)
    assert block.outbox.late is not None
    block.outbox.late()
    assert block.sent() == [(b"1\n2\n", 2, [])]


def test_a_failure_leaves_at_once(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path)
    block.answer(b"1", b"2")
    block.report.add(b"3")
    block.report.fail(Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, "no")))
    block.report.send()
    ((lines, count, failed),) = block.sent()
    assert (count, failed) == (4, [3])
    assert lines.splitlines()[:3] == [b"1", b"2", b"3"]


def test_they_leave_while_the_next_item_takes_long(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path)
    block.answer(b"1")
    assert block.outbox.late is not None
    block.outbox.late()
    assert block.sent() == [], "not yet"
    clock(0.03)
    block.outbox.late()
    assert block.sent() == [(b"1\n", 1, [])]
    block.outbox.late()
    assert block.sent() == []


@pytest.mark.parametrize("timeout", [0.0, 0.5])
def test_so_do_those_of_the_run_that_the_long_item_belongs_to(
    tmp_path: Path, clock: Callable[[float], None], timeout: float
) -> None:
    block = Block(tmp_path, timeout_seconds=timeout)
    refusal = Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, "no"))
    block.report.add(b"1")
    block.report.fail(refusal)
    clock(0.03)
    assert block.outbox.late is not None
    block.outbox.late()
    ((lines, count, failed),) = block.sent()
    assert (lines.splitlines()[0], count, failed) == (b"1", 2, [1])
    block.report.add(b"3")
    block.report.fail(refusal)
    clock(0.03)
    block.outbox.late()
    assert [part[1:] for part in block.sent()] == [(2, [1])]
    block.report.add(b"5")
    block.report.send(last=True)
    assert block.sent() == [(b"5\n", 1, [])]


def test_bytes_that_leave_late_take_room_once(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path, credit_bytes=100)
    block.report.add(b"1")
    clock(0.03)
    assert block.outbox.late is not None
    block.outbox.late()
    block.answer(b"2")
    assert block.report.room == 96
    block.answer(b"3")
    assert block.report.room == 94


def test_nothing_leaves_late_of_a_cancelled_block(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path)
    block.report.add(b"1")
    clock(0.03)
    block.call.cancelled = True
    assert block.outbox.late is not None
    block.outbox.late()
    assert block.sent() == []


@pytest.mark.parametrize("why", ["hasty", "no room", "no references"])
def test_where_each_counts_none_is_kept(tmp_path: Path, clock: Callable[[float], None], why: str) -> None:
    block = Block(
        tmp_path, room=1000 if why == "no room" else 1 << 20,
        timeout_seconds=0.5 if why == "hasty" else 0.0, takes_references=why != "no references",
    )  # fmt: skip
    block.answer(b"1")
    assert block.sent() == [(b"1\n", 1, [])]
    assert not block.journal.exists()


def test_none_is_kept_that_would_have_to_wait_for_room(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path, credit_bytes=3)
    block.answer(b"1")
    assert block.sent() == []
    block.answer(b"2")
    assert block.sent() == [(b"1\n2\n", 2, [])]


def test_much_is_not_kept(tmp_path: Path, clock: Callable[[float], None]) -> None:
    block = Block(tmp_path, room=1 << 19)  # for the journal alone
    block.answer(b"x" * 200_000)
    block.answer(b"y" * 200_000)
    assert [count for _, count, _ in block.sent()] == [2]


def test_without_a_journal_any_more_they_leave(
    tmp_path: Path, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    block = Block(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    block.answer(b"1")
    assert block.sent() == [(b"1\n", 1, [])]


def test_two_threads_send_each_answer_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "SELDOM", 0.0)
    block = Block(tmp_path, credit_bytes=1 << 40)
    stop = threading.Event()

    def stand_by() -> None:
        while not stop.is_set():
            block.report.late()

    other = threading.Thread(target=stand_by)
    other.start()
    for number in range(5000):
        monkeypatch.setattr(reports, "SELDOM", 0.0 if number % 2 else 10.0)
        block.answer(b"%d" % number)
    block.report.send(last=True)
    stop.set()
    other.join()
    lines = b""
    while parts := block.sent():
        lines += b"".join(part[0] for part in parts)
    assert lines.split() == [b"%d" % number for number in range(5000)]


@pytest.mark.parametrize("last", [False, True])
def test_a_forked_child_leaves_before_it_waits_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    """Another thread of the worker may have held it when the child was made: there it is never released."""

    class Held:
        def __enter__(self) -> None:
            pytest.fail("the child would wait for ever")

        def __exit__(self, *_: object) -> None:
            pass

    block = Block(tmp_path)
    block.report.add(b"1")
    monkeypatch.setattr(block.report, "_lock", Held())
    monkeypatch.setattr(reports, "leave_if_forked", lambda: sys.exit("left"))
    with pytest.raises(SystemExit, match="left"):
        block.report.send(last=last)
