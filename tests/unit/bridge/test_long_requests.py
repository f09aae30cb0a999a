"""Arguments and replies of requests in segments, in the bridge."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.errors import CallFailedError, error_of
from snakepit_bridge.runtime.long_replies import LongReply, fetched
from snakepit_bridge.runtime.nested_values import Arguments
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.segments import Segments

LONG = {"x": "a" * 1000}


@pytest.fixture
def segments(tmp_path: Path) -> Segments:
    return Segments(
        pb.Welcome(segments=str(tmp_path), segment_name="w-1-", segment_bytes=1 << 17, reference_above=100),
        lambda _: pytest.fail("more room is not asked for"),
    )


def refused(kind: str, *, wants_json: bool = False) -> CallFailedError:
    error = error_of(kind, "no", "", "")
    error.wants_json = wants_json
    return error


def put(arguments: Arguments) -> pb.Request:
    request = pb.Request()
    arguments.put(request)
    return request


def test_only_long_ones_are_put_into_segments(segments: Segments) -> None:
    assert put(Arguments({"x": 1}, segments)).args == b'{"x":1}'
    request = put(Arguments(LONG, segments))
    assert not request.args
    assert Path(request.args_ref.path).read_bytes()[: request.args_ref.length] == b'{"x":"%s"}' % (b"a" * 1000)


def test_what_finds_no_room_is_sent_as_bytes(segments: Segments) -> None:
    requests = [put(Arguments(LONG, segments)) for _ in range(3)]
    assert [request.HasField("args_ref") for request in requests] == [True, True, False]
    assert put(Arguments(LONG, None)).args


def test_each_form_is_tried_once(segments: Segments) -> None:
    arguments = Arguments({"x": b"a" * 1000}, segments)
    request = pb.Request()
    arguments.put(request)
    assert request.HasField("args_ref")
    assert arguments.other_form(refused("reference_failed"))
    arguments.put(request)
    assert (request.HasField("args_ref"), request.args[:1]) == (False, b"\0")
    assert not arguments.other_form(refused("reference_failed"))
    short = Arguments({"x": 1}, segments)
    put(short)
    assert not short.other_form(refused("reference_failed")), "it did not refer to anything"
    assert not arguments.other_form(refused("invalid_arguments"))
    assert arguments.other_form(refused("invalid_arguments", wants_json=True))
    arguments.put(request)
    assert request.args.startswith(b'{"x":"YWFh')
    assert not arguments.other_form(refused("invalid_arguments", wants_json=True))


@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_segment_that_has_lost_its_name_is_left_to_its_reader(segments: Segments, tmp_path: Path, size: int) -> None:
    ref = put(Arguments({"x": "a" * size}, segments)).args_ref
    reader = os.open(ref.path, os.O_RDONLY)
    os.unlink(ref.path)
    segments.released([ref.path])
    again = put(Arguments({"x": "b" * size}, segments)).args_ref
    assert again.path != ref.path
    assert os.pread(reader, ref.length, 0) == b'{"x":"%s"}' % (b"a" * size)
    os.close(reader)
    segments.released([again.path])
    assert put(Arguments({"x": "c" * size}, segments)).args_ref.path == again.path


def test_a_reply_is_read_and_released(tmp_path: Path) -> None:
    outbox = Outbox(pb.FromWorker(), lambda: None)
    outbox.take()
    (tmp_path / "s").write_bytes(b"abc")
    about = (tmp_path / "s").stat()
    ref = pb.Reference(path=str(tmp_path / "s"), device=about.st_dev, inode=about.st_ino, offset=1, length=2)
    reply = fetched(pb.Result(id=7, value_ref=ref), outbox)
    assert isinstance(reply, LongReply)
    assert (reply.id, reply.value) == (7, b"bc")
    assert pb.FromWorker.FromString(outbox.take() or b"").released == [ref.path]

    ref.length = 3
    failed = fetched(pb.Result(id=8, value_ref=ref), outbox)
    assert isinstance(failed, pb.Result)
    assert (failed.id, failed.failure.name) == (8, "server_restarted")
    assert pb.FromWorker.FromString(outbox.take() or b"").released == [ref.path]
