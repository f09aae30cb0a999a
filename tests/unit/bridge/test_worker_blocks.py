"""A real worker answers blocks of items: one answer each, in order, whatever the items are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from snakepit_bridge import worker_pb2 as pb

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Attached, Gateway
from tests.unit.bridge.processes import ADAPTER

Kind = pb.Failure.Kind


def begin(worker: Attached, command: str, lines: list[bytes], args: bytes = b"{}", *, credit: int = 1 << 20,
          **how: Any) -> int:  # fmt: skip
    block = pb.Block(lines=b"".join(line + b"\n" for line in lines), count=len(lines), **how)
    return worker.call(command, args, stream=True, credit=credit, block=block)


def answers(worker: Attached, call: int) -> list[Any]:
    assert worker.result(call).value == b"null", worker.results[call].failure
    return [json.loads(line) for line in worker.lines.get(call, b"").splitlines()]


def test_items_are_arguments_or_become_one(worker: Attached) -> None:
    call = begin(worker, "renamed", [b'{"a":1}', b"7", b'"x"', b"[1]", b"null"], b'{"fixed":true,"a":0}')
    assert answers(worker, call) == [
        {"fixed": True, "a": 1},
        {"fixed": True, "a": 0, "item": 7},
        {"fixed": True, "a": 0, "item": "x"},
        {"fixed": True, "a": 0, "item": [1]},
        {"fixed": True, "a": 0, "item": None},
    ]
    call = begin(worker, "add", [b"1", b"2"], item_argument="a")
    assert answers(worker, call) == [2, 3]


def test_lines_of_text(worker: Attached) -> None:
    lines = [b"plain", b"", b'{"not": "parsed"}', "größe".encode(), b"\xff"]
    call = begin(worker, "renamed", lines, item_argument="line", text=True)
    *texts, refused = answers(worker, call)
    assert [one["line"] for one in texts] == ["plain", "", '{"not": "parsed"}', "größe"]
    assert (refused["kind"], "not UTF-8" in refused["message"]) == ("invalid_arguments", True)


def test_a_failure_takes_the_place_of_its_answer(worker: Attached) -> None:
    lines = [b'{"a":1}', b"{nope", b"", b'{"b":1}', b'{"a":"x"}', b'{"a":2}', b"1 2"]
    call = begin(worker, "add", lines, item_argument="a")
    got = answers(worker, call)
    assert (got[0], got[5]) == (2, 3)
    assert [one["kind"] for one in (got[1], got[2], got[3], got[4], got[6])] == [
        "invalid_arguments", "invalid_arguments", "invalid_arguments", "invalid_arguments", "invalid_arguments",
    ]  # fmt: skip
    assert 'must be int, not "x"' in got[4]["message"]
    assert worker.failed[call] == [1, 2, 3, 4, 6]


@pytest.mark.parametrize("command", ["leaves", "raises", "bad_chunk", "interrupted", "aleaves"])
def test_whatever_a_handler_raises_the_block_goes_on(worker: Attached, command: str) -> None:
    call = begin(worker, command, [b"{}", b"{}"])
    assert [one["kind"] in {"command_failed", "invalid_result"} for one in answers(worker, call)] == [True, True]
    assert worker.failed[call] == [0, 1]


def test_streams_and_coroutines_are_collected(worker: Attached) -> None:
    assert answers(worker, begin(worker, "count", [b'{"n":2}', b'{"n":0}'])) == [[0, 1], []]
    assert answers(worker, begin(worker, "acount", [b'{"n":2}'])) == [[0, 1]]
    assert answers(worker, begin(worker, "later", [b'{"value":1}', b'{"value":2}'])) == [1, 2]


def test_quick_answers_leave_together_and_slow_ones_do_not_wait(worker: Attached) -> None:
    call = begin(worker, "add", [b"%d" % n for n in range(2000)], item_argument="a")
    assert answers(worker, call) == [n + 1 for n in range(2000)]
    assert worker.messages < 200
    call = begin(worker, "nap", [b'{"seconds":0.01}', b'{"seconds":60}'])
    worker.until(lambda: worker.counts.get(call) == 1)
    worker.cancel(call)
    assert worker.result(call).failure.kind == Kind.CANCELLED


def test_careful_says_each_before_the_next(worker: Attached) -> None:
    before = worker.messages
    call = begin(worker, "add", [b"1", b"2", b"3"], item_argument="a", careful=True)
    assert answers(worker, call) == [2, 3, 4]
    assert worker.messages - before == 3


def test_no_room_no_answers(worker: Attached) -> None:
    call = begin(worker, "add", [b"1", b"2", b"3"], item_argument="a", careful=True, credit=1)
    worker.until(lambda: worker.counts.get(call) == 1)
    worker.ping()
    assert worker.counts[call] == 1
    worker.credit(call, 1000)
    assert answers(worker, call) == [2, 3, 4]


def test_each_item_has_a_context_of_its_own(worker: Attached) -> None:
    call = begin(worker, "about", [b'{"name":"/a"}', b'{"name":"/b"}'])
    assert [one["path"] for one in answers(worker, call)] == ["/a", "/b"]


def test_a_cancel_ends_the_block(worker: Attached) -> None:
    call = begin(worker, "busy", [b"{}"] * 3)
    worker.ping()
    worker.cancel(call)
    assert worker.result(call).failure.kind == Kind.CANCELLED
    assert call not in worker.counts
    assert worker.value("add", b'{"a":1}') == b"2"


def test_no_such_command_fails_the_whole_block(worker: Attached) -> None:
    assert worker.result(begin(worker, "nothing", [b"1"])).failure.kind == Kind.COMMAND_NOT_FOUND


def test_blocks_of_a_worker_that_runs_many_calls_at_once(start: Start, gateway: Gateway) -> None:
    start(f"{ADAPTER}:Concurrent")
    worker = gateway.next()
    slow = begin(worker, "nap", [b'{"seconds":60}'])
    call = begin(worker, "quick", [b"1", b"{nope", b"2"], item_argument="value")
    got = answers(worker, call)
    assert (got[0], got[2], got[1]["kind"]) == (1, 2, "invalid_arguments")
    assert worker.failed[call] == [1]
    worker.cancel(slow)
    assert worker.result(slow).failure.kind == Kind.CANCELLED
