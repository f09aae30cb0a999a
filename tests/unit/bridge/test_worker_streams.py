"""Chunks: their order, credit, and the two mismatches."""

from __future__ import annotations

import json

import pytest
from snakepit_bridge import worker_pb2 as pb

from tests.unit.bridge.gateway import Attached

Kind = pb.Failure.Kind


@pytest.mark.parametrize("command", ["count", "acount"])
def test_chunks_then_the_result(worker: Attached, command: str) -> None:
    call = worker.call(command, b'{"n":5000}', stream=True, credit=1 << 30)
    result = worker.result(call)
    assert worker.lines[call] == b"".join(b"%d\n" % i for i in range(5000))
    assert result.value == (b'"done"' if command == "count" else b"null")


def test_a_stream_without_chunks(worker: Attached) -> None:
    call = worker.call("count", b'{"n":0}', stream=True)
    assert worker.result(call).value == b'"done"'
    assert call not in worker.lines


def test_a_large_stream_comes_in_bounded_messages(worker: Attached) -> None:
    call = worker.call("count", b'{"n":60,"pad":100000}', stream=True, credit=1 << 30)
    worker.result(call)
    assert worker.counts[call] == 60
    assert worker.messages >= 6
    assert [json.loads(line)[0] for line in worker.lines[call].splitlines()] == list(range(60))


@pytest.mark.parametrize("command", ["count", "acount"])
def test_without_credit_the_generator_stops(worker: Attached, command: str) -> None:
    call = worker.call(command, b'{"n":100,"pad":100}', stream=True, credit=500)
    chunk = len(json.dumps([0, "x" * 100], separators=(",", ":"))) + 1
    worker.until(lambda: worker.counts.get(call, 0) >= 5)
    worker.ping()
    assert worker.counts[call] == 5, "500 bytes are 4 chunks and one that overdraws"
    worker.credit(call, 1)  # does not even fill the overdraft
    worker.ping()
    worker.ping()
    assert worker.counts[call] == 5
    worker.credit(call, 5 * chunk - 500)
    worker.until(lambda: worker.counts[call] == 6)
    worker.ping()
    assert worker.counts[call] == 6
    worker.credit(call, 1 << 20)
    worker.result(call)
    assert worker.counts[call] == 100


def test_without_any_credit_the_generator_does_not_start(worker: Attached) -> None:
    call = worker.call("count", b'{"n":3}', stream=True, credit=0)
    worker.ping()
    worker.ping()
    assert worker.counts.get(call, 0) == 0
    worker.credit(call, 1000)
    worker.result(call)
    assert worker.counts[call] == 3


def test_a_streaming_command_called_plainly_answers_with_an_array(worker: Attached) -> None:
    assert worker.value("count", b'{"n":4}') == b"[0,1,2,3]"
    assert worker.value("acount", b'{"n":4}') == b"[0,1,2,3]"
    assert worker.value("count", b'{"n":0}') == b"[]"
    assert worker.failure("count", b'{"n":100000,"pad":1000}').kind == Kind.INVALID_RESULT


def test_a_plain_command_called_as_a_stream_sends_one_chunk(worker: Attached) -> None:
    for command, args, chunk in (("add", b'{"a":1}', b"2\n"), ("later", b'{"value":{"x":1}}', b'{"x":1}\n')):
        call = worker.call(command, args, stream=True)
        assert worker.result(call).value == b"null"
        assert worker.lines[call] == chunk


def test_a_stream_that_breaks_keeps_its_chunks(worker: Attached) -> None:
    call = worker.call("breaks", stream=True)
    failure = worker.result(call).failure
    assert (failure.kind, failure.type) == (Kind.COMMAND_FAILED, "KeyError")
    assert worker.lines[call] == b"1\n2\n"


def test_a_chunk_without_json_form_ends_the_stream(worker: Attached) -> None:
    call = worker.call("bad_chunk", stream=True)
    assert worker.result(call).failure.kind == Kind.INVALID_RESULT
    assert worker.lines[call] == b"1\n"


def test_a_slow_generator_is_not_held_back(worker: Attached) -> None:
    call = worker.call("endless", b'{"pause":0.02}', stream=True)
    worker.until(lambda: worker.counts.get(call, 0) >= 3)
    assert worker.messages >= 3, "each chunk left by itself"
    worker.cancel(call)
    worker.result(call)
