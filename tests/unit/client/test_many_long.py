"""Long arguments of many calls on one connection: in shared memory while there is room, and nobody waits in vain."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.client.many import lender
from snakepit_cli.client.many.calls import Calls
from snakepit_cli.wire import front
from tests.harness import wait
from tests.unit.client.fake import error
from tests.unit.client.test_many import Server, kind

MB = 1 << 20
LONG = json.dumps({"a": "x" * 200_000}).encode()
LONGEST = 2 * MB
"""Bytes of a message."""


class Room:
    """Shared memory of so many bytes."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self.asked: list[int] = []

    def __call__(self, count: int) -> dict[str, Any]:
        self.asked.append(count)
        room = min(count, self.size) if count <= self.size else min(MB, self.size)
        return {
            "folder": str(self.folder), "name": "c-", "bytes": room, "kept": min(MB, self.size), "longest": LONGEST,
            "most": 4 * MB,
        }  # fmt: skip

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[Calls, Server, Room]]:
    ours, theirs = socket.socketpair()
    with theirs, Calls(ours) as one:
        server, room = Server(theirs), Room(tmp_path, 64 * MB)
        server.room = room
        yield one, server, room


Ends = tuple[Calls, Server, Room]


def referred(header: dict[str, Any], args: list[bytes]) -> bytes:
    """What a call refers to."""
    assert args == [b""]
    reference = header["args_ref"]
    about = os.stat(reference["path"])
    assert (about.st_dev, about.st_ino) == (reference["device"], reference["inode"])
    return Path(reference["path"]).read_bytes()[: reference["length"]]


def test_long_arguments_are_referred_to_and_their_segments_used_again(ends: Ends) -> None:
    one, server, room = ends
    for _ in range(3):
        call = one.submit("echo", LONG, pool="p", timeout=9)
        request, header, args = server.call()
        assert referred(header, args) == LONG
        assert (header["pool"], 0 < header["timeout"] <= 9) == ("p", True)
        server.send(front.RESULT, request, b"1")
        assert call.result(20) == b"1"
        # The thread is told of the end before the next call.
    assert room.names() == ["c-1"]


def test_what_is_not_long_is_sent_as_it_is(ends: Ends) -> None:
    one, server, room = ends
    args = b"\0" * (lender.ABOVE - 1)
    one.submit("echo", args, binary=True)
    assert server.call()[2] == [args]
    assert room.asked == []


def test_each_of_many_has_a_segment_of_its_own(ends: Ends) -> None:
    one, server, room = ends
    sent = [b"%03d" % n + LONG for n in range(20)]
    calls = [one.submit("echo", args) for args in sent]
    frames = [server.call() for _ in calls]
    assert [referred(header, args) for _, header, args in frames] == sent
    for (request, _, _), call in zip(reversed(frames), reversed(calls), strict=True):
        server.send(front.RESULT, request, b"%d" % request)
        assert call.result(20) == b"%d" % request
    while server.asked() != MB:
        """Room beyond the share is given back."""
    wait.until(lambda: len(room.names()) <= 1, "the segments to go")


def test_no_answer_is_held_up_by_a_call_that_waits_for_room(ends: Ends) -> None:
    one, server, room = ends
    room.size = 5 * MB
    other = one.submit("short")
    other_request, _, _ = server.call()
    first = one.submit("echo", bytes(3 * MB))
    request, header, args = server.call()
    assert referred(header, args) == bytes(3 * MB)
    big = one.submit("echo", bytes(4 * MB))
    while server.asked() <= 5 * MB:
        """Until room for both is asked for."""
    server.send(front.RESULT, other_request, b"1")
    assert other.result(20) == b"1"
    fits = one.submit("echo", LONG)
    fits_request, header, args = server.call()
    assert ("args_ref" in header, args) == (False, [LONG]), "it takes no room from the one that waits"
    server.send(front.RESULT, fits_request, b"2")
    assert fits.result(20) == b"2"
    server.send(front.RESULT, request, b"3")
    assert first.result(20) == b"3"
    _, header, args = server.call()
    assert referred(header, args) == bytes(4 * MB)
    assert not big.done


def test_without_room_what_fits_into_a_message_is_sent_as_bytes(ends: Ends) -> None:
    one, server, room = ends
    room.size = 0
    for _ in range(2):
        one.submit("echo", LONG)
        _, header, args = server.call()
        assert ("args_ref" in header, args) == (False, [LONG])


def test_what_never_has_room_is_sent_for_the_server_to_refuse(ends: Ends) -> None:
    one, server, room = ends
    room.size = MB
    args = bytes(5 * MB)
    one.submit("echo", args)
    assert server.call()[2] == [args]


def test_without_shared_memory_it_is_asked_for_once(ends: Ends) -> None:
    one, server, _ = ends
    asked: list[int] = []
    server.room = asked.append
    for _ in range(3):
        one.submit("echo", LONG)
        assert server.call()[2] == [LONG]
    assert len(asked) == 1


def test_a_call_waits_for_room_until_its_time_is_over(ends: Ends) -> None:
    one, server, room = ends
    room.size = MB
    call = one.submit("echo", bytes(3 * MB), timeout=0.3)
    while not call.done:
        if select.select([server.sock], [], [], 0.01)[0]:
            server.asked()
    found = call.error()
    assert found is not None
    assert (found.kind, "shared memory" in found.message) == ("queue_timeout", True)
    assert room.names() == []


def test_one_without_a_timeout_waits_for_a_while(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lender, "WAIT_SECONDS", 0.3)
    one, server, room = ends
    room.size = MB
    one.submit("echo", bytes(3 * MB))
    assert server.call()[2] == [bytes(3 * MB)]


def test_workers_that_take_no_references_get_the_bytes(ends: Ends) -> None:
    one, server, room = ends
    calls = [one.submit("echo", LONG, pool="old") for _ in range(2)]
    for request, header, _ in [server.call() for _ in calls]:
        assert "args_ref" in header
        server.send(front.ERROR, request, error("reference_failed", "they take none"))
    for _ in range(3):
        request, header, args = server.call()
        if len(calls) == 2:
            calls.append(one.submit("echo", LONG, pool="old"))
        assert ("args_ref" in header, args) == (False, [LONG])
        server.send(front.RESULT, request, b"1")
        (call,) = [one for one in calls if one.request == request]  # the two may have changed places
        assert call.result(20) == b"1"
    one.submit("echo", LONG, pool="new")
    assert "args_ref" in server.call()[1]
    wait.until(lambda: len(room.names()) == 1, "the segments of the refused to go")


def test_a_segment_that_may_yet_be_read_is_not_written_to(ends: Ends) -> None:
    one, server, room = ends
    failed = one.submit("echo", LONG)
    request, header, _ = server.call()
    server.send(front.ERROR, request, error("worker_timeout", "late"))
    assert kind(failed) == "worker_timeout"
    wait.until(lambda: room.names() == [], "its segment to go")
    cancelled = one.submit("echo", LONG)
    request, header, _ = server.call()
    assert cancelled.cancel()
    assert server.cancelled() == request
    wait.until(lambda: room.names() == [], "its segment to go")
    one.submit("echo", LONG)
    assert server.call()[1]["args_ref"]["path"] != header["args_ref"]["path"]


def test_a_call_that_waits_for_room_can_be_cancelled(ends: Ends) -> None:
    one, server, room = ends
    room.size = MB
    call = one.submit("echo", bytes(3 * MB))
    server.asked()
    assert call.cancel()
    assert kind(call) == "cancelled"
    room.size = 64 * MB
    one.submit("other", LONG)
    frame = server.read()
    while frame is not None and frame[0] != front.CALL:
        if frame[0] == front.QUERY:
            server.send(front.RESULT, frame[1], room(json.loads(frame[2])["bytes"]))
        frame = server.read()
    assert frame is not None
    assert b'"other"' in frame[2]


@pytest.mark.parametrize("lost", [False, True], ids=["closed", "lost"])
def test_the_end_in_the_middle_leaves_nothing(ends: Ends, lost: bool) -> None:
    one, server, room = ends
    room.size = 5 * MB
    calls = [one.submit("echo", LONG), one.submit("echo", bytes(3 * MB))]
    for _ in calls:
        server.call()
    calls.append(one.submit("echo", bytes(4 * MB)))
    while server.asked() <= 5 * MB:
        """Until the last one waits for room."""
    if lost:
        server.sock.shutdown(socket.SHUT_RDWR)
        assert [kind(call) for call in calls] == ["server_restarted"] * 3
    else:
        one.close()
        assert [kind(call) for call in calls] == ["cancelled"] * 3
    wait.until(lambda: room.names() == [], "the segments to go")
    one._lender.join()
