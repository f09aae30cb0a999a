"""Answers in segments: passed on to whoever takes them, released by whoever does not, and no lie is passed on."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.segments import Lent
from snakepit_cli.wire import front as wire
from snakepit_cli.wire import worker_pb2 as pb
from tests.unit.server.fake import Client, call
from tests.unit.server.harness import Caller, Harness, Link, in_instance, until


def made(link: Link, number: int = 1, size: int = 100) -> pb.Reference:
    assert link.welcomed is not None
    path = f"{link.welcomed.segments}/{link.welcomed.segment_name}{number}"
    Path(path).write_bytes(b"x" * size)
    found = os.stat(path)
    return pb.Reference(path=path, device=found.st_dev, inode=found.st_ino, offset=0, length=size)


async def begun(harness: Harness, **header: Any) -> tuple[Caller, Link]:
    """A call that runs, and the way to its worker."""
    await harness.up()
    caller = harness.call("slow", **header)
    await until(lambda: any(caller.call.id in link.calls for link in harness.warden.links.values()))
    return caller, next(link for link in harness.warden.links.values() if caller.call.id in link.calls)


def with_a_call(
    test: Callable[[Harness, Caller, Link], Coroutine[Any, Any, None]], folder: Path, **header: Any
) -> None:
    async def main(harness: Harness) -> None:
        await test(harness, *await begun(harness, **header))

    in_instance(main, folder)


def test_a_result_goes_to_its_caller(tmp_path: Path) -> None:
    async def test(_: Harness, caller: Caller, link: Link) -> None:
        ref = made(link)
        link.hear(pb.FromWorker(results=[pb.Result(id=caller.call.id, value_ref=ref)]))
        lent = await caller.answer
        assert isinstance(lent, Lent)
        assert lent.ref == ref
        assert link.segments_released == []
        lent.release()
        assert link.segments_released == [ref.path]

    with_a_call(test, tmp_path, references=True)


def test_chunks_go_to_their_caller(tmp_path: Path) -> None:
    async def test(_: Harness, caller: Caller, link: Link) -> None:
        link.hear(pb.FromWorker(chunks=[pb.Chunks(id=caller.call.id, lines_ref=made(link), count=1)]))
        assert [one.ref.length for one in caller.lent] == [100]
        assert caller.call.credit.used == 0
        caller.lent[0].release()
        caller.lent[0].release()
        assert caller.call.credit.used == 100, "they count when they have been read"

    with_a_call(test, tmp_path, references=True, stream=True)


def test_what_comes_too_late_is_released(tmp_path: Path) -> None:
    """The call has been cancelled before; in the same turn of the event loop, and in an earlier one."""

    async def test(harness: Harness, caller: Caller, link: Link) -> None:
        first, second = made(link, 1), made(link, 2)
        caller.pool.cancel(caller.call)
        link.hear(pb.FromWorker(results=[pb.Result(id=caller.call.id, value_ref=first)]))
        answer = await caller.answer
        link.hear(pb.FromWorker(results=[pb.Result(id=caller.call.id, value_ref=second)]))
        link.hear(pb.FromWorker(chunks=[pb.Chunks(id=caller.call.id, lines_ref=made(link, 3))]))
        await until(lambda: {second.path, made(link, 3).path} <= set(link.segments_released))
        assert isinstance(answer, PitError) or answer.ref == first
        if isinstance(answer, PitError):
            assert first.path in link.segments_released

    with_a_call(test, tmp_path, references=True)


@pytest.mark.parametrize("kind", ["results", "chunks"])
@pytest.mark.parametrize("lie", ["not asked for", "of another worker", "of nobody", "too long"])
def test_a_worker_that_lies_is_ended_and_its_call_fails(tmp_path: Path, kind: str, lie: str) -> None:
    async def test(harness: Harness, caller: Caller, link: Link) -> None:
        other = next(one for one in harness.warden.links.values() if one is not link)
        ref = made(other if lie == "of another worker" else link)
        if lie == "of nobody":
            ref.path = "/etc/passwd"
        elif lie == "too long":
            ref.length += 1
        if kind == "results":
            message = pb.FromWorker(results=[pb.Result(id=caller.call.id, value_ref=ref)])
        else:
            message = pb.FromWorker(chunks=[pb.Chunks(id=caller.call.id, lines_ref=ref)])
        link.hear(message)
        error = await caller.answer
        assert isinstance(error, PitError)
        assert error.kind == "worker_crashed"
        assert "it refers to" in error.message
        assert caller.lent == []
        assert caller.lines == b""
        assert harness.warden.ops("kill")

    with_a_call(test, tmp_path, references=lie != "not asked for", stream=kind == "chunks")


def test_a_worker_that_takes_no_references_gets_none(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        for link in harness.warden.links.values():
            link.protocol = 1
        place = {"path": "/x", "device": 1, "inode": 1, "offset": 0, "length": 1}
        caller = harness.call("slow", args_ref=wire_reference(**place))
        error = await caller.answer
        assert error.kind == "reference_failed"
        assert not any(caller.call.id in link.calls for link in harness.warden.links.values())

    in_instance(test, tmp_path)


def wire_reference(**fields: Any) -> Any:
    from snakepit_cli.wire.reference import Reference

    return Reference(**fields)


def test_room_is_granted(tmp_path: Path) -> None:
    async def test(_: Harness, __: Caller, link: Link) -> None:
        link.hear(pb.FromWorker(segment_bytes=8 << 20))
        assert link.segment_room == 8 << 20
        link.hear(pb.FromWorker(segment_bytes=64 << 20))
        assert link.segment_room == 8 << 20

    with_a_call(test, tmp_path)


class Loan:
    """A segment that a client gets."""

    def __init__(self, path: str) -> None:
        self.ref = pb.Reference(path=path, device=1, inode=2, offset=3, length=4)
        self.released = 0

    def release(self) -> None:
        self.released += 1


def test_a_client_releases_what_it_was_given_and_nothing_else() -> None:
    with Client() as client:
        loan = Loan("/dev/shm/s/w-1-1")
        client.connection.chunks_ref(7, loan)
        client.say(wire.frame(wire.RELEASE, 7, b"/dev/shm/s/w-1-2"), wire.frame(wire.RELEASE, 7, b"\xff"))
        assert loan.released == 0
        client.say(*[wire.frame(wire.RELEASE, 7, b"/dev/shm/s/w-1-1")] * 2)
        assert loan.released == 1


def test_what_a_client_has_not_released_is_released_when_it_goes() -> None:
    with Client() as client:
        early, late = Loan("/dev/shm/s/w-1-1"), Loan("/dev/shm/s/w-1-2")
        client.connection.answers_ref(7, early, 3, [1])
        client.connection.connection_lost(None)
        client.connection.result_ref(7, late)
        assert (early.released, late.released) == (1, 1)


def journal(link: Link, call: int, sent: int) -> str:
    """Of a worker that has worked out two answers to this call."""
    assert link.welcomed is not None
    path = f"{link.welcomed.segments}/{link.welcomed.segment_name}journal"
    Path(path).write_bytes(struct.pack("<4Q", call, sent, 2, 4) + b"2\n3\n")
    return path


def test_what_a_dead_worker_had_worked_out_is_passed_on(tmp_path: Path) -> None:
    async def test(harness: Harness, caller: Caller, link: Link) -> None:
        link.hear(pb.FromWorker(chunks=[pb.Chunks(id=caller.call.id, lines=b"1\n", count=1)]))
        path = journal(link, caller.call.id, 1)
        caller.pool.exited(caller.call.worker, {"code": -9, "log": [], "asked": False})
        error = await caller.answer
        assert error.kind == "worker_crashed"
        assert caller.lines == b"1\n2\n3\n"
        with pytest.raises(FileNotFoundError):
            os.stat(path)

    with_a_call(test, tmp_path, references=True, stream=True, items=5, args=b"{}\n" + b"1\n" * 5)


@pytest.mark.parametrize("wrong", ["another call", "too many"])
def test_a_journal_about_something_else_is_not(tmp_path: Path, wrong: str) -> None:
    async def test(harness: Harness, caller: Caller, link: Link) -> None:
        journal(link, caller.call.id + (wrong == "another call"), 0)
        caller.pool.exited(caller.call.worker, {"code": -9, "log": [], "asked": False})
        await caller.answer
        assert caller.lines == b""

    with_a_call(test, tmp_path, references=True, stream=True, items=1, args=b"{}\n1\n")


@pytest.mark.parametrize("wrong", [{"path": "relative"}, {"offset": -1}, {"length": "5"}, {"more": 1}])
def test_a_malformed_reference_is_named(wrong: dict[str, object]) -> None:
    place = {"path": "/x", "device": 1, "inode": 1, "offset": 0, "length": 1, **wrong}
    with Client() as client:
        client.say(call(1, b"", block=f'"args_ref":{json.dumps(place)}'))
        assert client.heard == [("E", 1, "usage")]
        text = client.transport.written.decode(errors="replace")
        assert "`args_ref` must be a reference" in text or "unknown field `more`" in text
