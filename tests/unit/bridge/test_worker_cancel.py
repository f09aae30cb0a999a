"""Giving up: every way a handler can be stuck, one answer each, and nothing else disturbed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from snakepit_bridge import worker_pb2 as pb

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Attached, Gateway
from tests.unit.bridge.processes import ADAPTER, eventually

Kind = pb.Failure.Kind


@pytest.mark.parametrize("command", ["busy", "nap", "listen", "anap"])
def test_whatever_it_does_it_stops(worker: Attached, command: str) -> None:
    call = worker.call(command)
    worker.ping()
    worker.cancel(call)
    assert worker.result(call).failure.kind == Kind.CANCELLED
    assert worker.value("add", b'{"a":1}') == b"2"


def test_the_handler_can_clean_up(worker: Attached, tmp_path: Path) -> None:
    note = tmp_path / "note"
    call = worker.call("nap", json.dumps({"note": str(note)}).encode())
    worker.ping()
    worker.cancel(call)
    assert worker.result(call).failure.kind == Kind.CANCELLED
    # A cancel that arrives before the handler's first line never starts it.
    assert not note.exists() or note.read_text() == "cancelled"


@pytest.mark.parametrize("credit", [0, 100, 1 << 40])
def test_a_stream_stops_and_its_generator_is_closed(worker: Attached, tmp_path: Path, credit: int) -> None:
    note = tmp_path / "note"
    call = worker.call("endless", json.dumps({"note": str(note)}).encode(), stream=True, credit=credit)
    if credit:
        worker.until(lambda: worker.counts.get(call, 0) > 0)
    worker.cancel(call)
    assert worker.result(call).failure.kind == Kind.CANCELLED
    assert note.exists() or not credit
    assert worker.value("add", b'{"a":1}') == b"2"


def test_a_waiting_call_is_answered_without_running(worker: Attached) -> None:
    running = worker.call("nap")
    waiting = worker.call("bump")
    worker.cancel(waiting)
    assert worker.result(waiting).failure.kind == Kind.CANCELLED
    assert running not in worker.results
    worker.cancel(running)
    assert worker.result(running).failure.kind == Kind.CANCELLED
    assert worker.value("bump") == b"101", "the cancelled one did not count"


def test_late_and_unknown_cancels_are_ignored(worker: Attached) -> None:
    first = worker.call("add", b'{"a":1}')
    worker.result(first)
    worker.say(cancels=[pb.Cancel(id=first), pb.Cancel(id=999)])
    assert worker.value("add", b'{"a":1}') == b"2"


def test_cancels_race_with_ends_and_hit_nobody_else(worker: Attached) -> None:
    """Every call is answered once, and a call that was not cancelled is never interrupted."""
    for _ in range(300):
        doomed, spared = worker.new_call("nap", b'{"seconds":0.0002}'), worker.new_call("nap", b'{"seconds":0.0002}')
        worker.say(calls=[doomed, spared])
        worker.cancel(doomed.id)
        assert worker.result(spared.id).value == b'"slept"'
        outcome = worker.result(doomed.id)
        assert outcome.value == b'"slept"' or outcome.failure.kind == Kind.CANCELLED
    worker.ping()


def test_async_calls_run_together_and_are_cancelled_alone(start: Start, gateway: Gateway) -> None:
    start(f"{ADAPTER}:Concurrent")
    worker = gateway.next()
    assert worker.hello.capacity == 3
    calls = [worker.call("meet") for _ in range(3)]
    assert [worker.result(call).value for call in calls] == [b"3"] * 3
    naps = [worker.call("nap") for _ in range(4)]
    worker.ping()
    worker.cancel(naps[3])  # waits: only three run
    worker.cancel(naps[1])
    assert worker.result(naps[3]).failure.kind == Kind.CANCELLED
    assert worker.result(naps[1]).failure.kind == Kind.CANCELLED
    assert worker.value("quick", b'{"value":5}') == b"5"
    stream = worker.call("endless", stream=True, credit=100)
    worker.cancel(naps[0])
    worker.until(lambda: worker.counts.get(stream, 0) > 0)
    worker.cancel(stream)
    assert worker.result(stream).failure.kind == Kind.CANCELLED
    worker.cancel(naps[2])
    worker.result(naps[2])
    worker.say(drain=pb.Drain())
    eventually(lambda: _gone(worker))


def _gone(worker: Attached) -> bool:
    worker.until_gone()
    return True
