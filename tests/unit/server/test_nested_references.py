"""Requests of handlers with arguments or replies in segments: each is released, whatever becomes of the request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.wire import worker_pb2 as pb
from tests.unit.server.harness import Caller, Harness, Link, until
from tests.unit.server.test_segment_answers import made, with_a_call

Test = Callable[[Harness, Caller, Link, Link], Coroutine[Any, Any, None]]


def asked(link: Link, caller: Caller, **fields: Any) -> None:
    request = pb.Request(id=1, parent=caller.call.id, command="slow", **fields)
    link.hear(pb.FromWorker(requests=[request]))


def exists(path: str) -> bool:
    return Path(path).exists()


def with_two_workers(test: Test, folder: Path) -> None:
    """A call that runs on the first one."""

    async def main(harness: Harness, caller: Caller, link: Link) -> None:
        other = next(one for one in harness.warden.links.values() if one is not link)
        await test(harness, caller, link, other)

    with_a_call(main, folder)


def test_arguments_are_passed_on_and_released_with_the_reply(tmp_path: Path) -> None:
    async def test(_: Harness, caller: Caller, link: Link, other: Link) -> None:
        ref = made(link)
        asked(link, caller, args_ref=ref)
        await until(lambda: other.calls)
        (number,) = other.calls
        assert other.sent[number]["args_ref"] == ref
        assert not other.sent[number]["takes_references"]
        assert link.segments_released == []
        other.hear(pb.FromWorker(results=[pb.Result(id=number, value=b"5")]))
        await until(lambda: link.replies)
        assert link.replies[0].value == b"5"
        assert link.segments_released == [ref.path]
        assert exists(ref.path), "it may be written again"

    with_two_workers(test, tmp_path)


def test_arguments_of_a_request_that_fails_are_not_written_again(tmp_path: Path) -> None:
    """The called worker may still read them."""

    async def test(_: Harness, caller: Caller, link: Link, other: Link) -> None:
        ref = made(link)
        asked(link, caller, args_ref=ref)
        await until(lambda: other.calls)
        link.hear(pb.FromWorker(withdrawals=[1]))
        await until(lambda: link.replies)
        assert link.replies[0].failure.name == "cancelled"
        assert link.segments_released == [ref.path]
        assert not exists(ref.path)

    with_two_workers(test, tmp_path)


def test_a_request_that_is_refused_releases_its_arguments(tmp_path: Path) -> None:
    async def test(_: Harness, caller: Caller, link: Link, other: Link) -> None:
        asked(link, caller, args=b"{}")
        await until(lambda: other.calls)
        ref = made(link)
        asked(link, caller, args_ref=ref)
        assert "request 1 is still running" in link.replies[0].failure.message
        assert link.segments_released == [ref.path]

    with_two_workers(test, tmp_path)


def test_workers_that_take_no_references_are_named(tmp_path: Path) -> None:
    async def test(_: Harness, caller: Caller, link: Link, other: Link) -> None:
        other.protocol = 1
        asked(link, caller, args_ref=made(link))
        await until(lambda: link.replies)
        assert link.replies[0].failure.name == "reference_failed"

    with_two_workers(test, tmp_path)


@pytest.mark.parametrize("lie", ["of another worker", "of nobody", "too long"])
def test_a_worker_that_lies_is_ended(tmp_path: Path, lie: str) -> None:
    async def test(harness: Harness, caller: Caller, link: Link, other: Link) -> None:
        ref = made(other if lie == "of another worker" else link)
        if lie == "of nobody":
            ref.path = "/etc/passwd"
        elif lie == "too long":
            ref.length += 1
        asked(link, caller, args_ref=ref)
        error = await caller.answer
        assert error.kind == "worker_crashed"
        assert "it refers to" in error.message
        assert not other.calls
        assert harness.warden.ops("kill")

    with_two_workers(test, tmp_path)


@pytest.mark.parametrize("end", ["released", "gone"])
def test_a_reply_is_the_askers_until_it_is_released_or_gone(tmp_path: Path, end: str) -> None:
    async def test(harness: Harness, caller: Caller, link: Link, other: Link) -> None:
        asked(link, caller, args=b"{}", takes_references=True)
        await until(lambda: other.calls)
        (number,) = other.calls
        assert other.sent[number]["takes_references"]
        ref = made(other)
        other.hear(pb.FromWorker(results=[pb.Result(id=number, value_ref=ref)]))
        await until(lambda: link.replies)
        assert link.replies[0].value_ref == ref
        assert other.segments_released == []
        if end == "released":
            link.hear(pb.FromWorker(released=["/etc/passwd", ref.path, ref.path]))
        else:
            name = next(name for name, one in harness.warden.links.items() if one is link)
            harness.instance.reported({"event": "exited", "worker": name, "code": 1, "log": []})
        await until(lambda: other.segments_released)
        assert other.segments_released == [ref.path]

    with_two_workers(test, tmp_path)


def test_a_reply_that_nobody_waits_for_is_released(tmp_path: Path) -> None:
    async def test(_: Harness, caller: Caller, link: Link, other: Link) -> None:
        asked(link, caller, args=b"{}", takes_references=True)
        await until(lambda: other.calls)
        (number,) = other.calls
        link.hear(pb.FromWorker(withdrawals=[1]))
        await until(lambda: link.replies)
        ref = made(other)
        other.hear(pb.FromWorker(results=[pb.Result(id=number, value_ref=ref)]))
        await until(lambda: other.segments_released == [ref.path])

    with_two_workers(test, tmp_path)
