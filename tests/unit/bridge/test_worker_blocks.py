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


def test_a_batch_is_a_list_and_gets_an_answer_for_each(worker: Attached) -> None:
    before = worker.messages
    lines = [b"1", b'{"a":2}', b"null", b"{nope", b'"x"', b"7", b"8"]
    call = begin(worker, "doubled", lines, b'{"times":2}', item_argument="items", batch=3)
    got = answers(worker, call)
    assert got[:3] == [[1, 1], [{"a": 2}, {"a": 2}], [None, None]]
    assert got[3]["kind"] == "invalid_arguments"
    assert got[4:] == [["x", "x"], [7, 7], [8, 8]]
    assert worker.failed[call] == [3]
    assert worker.messages - before <= 3
    call = begin(worker, "doubled", [b"a b", b"\xff"], item_argument="items", batch=9, text=True)
    assert answers(worker, call)[0] == ["a b", "a b"]
    assert answers(worker, begin(worker, "doubled", [], item_argument="items", batch=9)) == []
    call = begin(worker, "doubled", [b"{", b"["], item_argument="items", batch=9)
    assert [one["kind"] for one in answers(worker, call)] == ["invalid_arguments"] * 2
    assert worker.failed[call] == [0, 1]


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("raise", "command_failed", "no more"),
        ("leave", "command_failed", ""),
        ("few", "invalid_result", "`doubled` gave 1 answer to a batch of 2 items"),
        ("none", "invalid_result", "`doubled` returned no list: it got a batch of items"),
        ("set", "invalid_result", "has no JSON form"),
        (5, "invalid_arguments", "must be str"),
    ],
)
def test_what_a_handler_does_to_a_batch_concerns_no_other(worker: Attached, how: Any, kind: str, message: str) -> None:
    call = begin(worker, "doubled", [b"1", b"2", b'"odd"', b"4", b"5"],
                 json.dumps({"odd": how}).encode(), item_argument="items", batch=2)  # fmt: skip
    got = answers(worker, call)
    bad = [0, 1, 2, 3, 4] if kind == "invalid_arguments" else [2, 3]
    assert worker.failed[call] == bad
    assert [one["kind"] for n, one in enumerate(got) if n in bad] == [kind] * len(bad)
    assert message in got[2]["message"]


def test_generators_and_coroutines_answer_batches(worker: Attached) -> None:
    assert answers(worker, begin(worker, "each", [b"1", b"2", b"3"], batch=2)) == [1, 2, 3]
    assert answers(worker, begin(worker, "later", [b"1", b"2", b"3"], item_argument="value", batch=2)) == [1, 2, 3]
    assert answers(worker, begin(worker, "about_all", [b"1", b"2"], batch=2)) == [["about_all", 1], ["about_all", 2]]


def test_a_careful_batch_is_said_before_the_next_and_waits_for_room(worker: Attached) -> None:
    call = begin(worker, "each", [b"1", b"2", b"3"], batch=2, careful=True, credit=1)
    worker.until(lambda: worker.counts.get(call) == 2)
    worker.ping()
    assert worker.counts[call] == 2
    worker.credit(call, 1000)
    assert answers(worker, call) == [1, 2, 3]


def test_a_cancel_ends_a_batch(worker: Attached) -> None:
    call = begin(worker, "busy_with", [b"1"] * 3, batch=2)
    worker.ping()
    worker.cancel(call)
    assert worker.result(call).failure.kind == Kind.CANCELLED
    assert call not in worker.counts


def test_batches_of_a_worker_that_runs_many_calls_at_once(start: Start, gateway: Gateway) -> None:
    start(f"{ADAPTER}:Concurrent")
    worker = gateway.next()
    call = begin(worker, "quick", [b"1", b"{nope", b"2", b"3"], item_argument="value", batch=3)
    got = answers(worker, call)
    assert (got[0], got[2], got[3], got[1]["kind"]) == (1, 2, 3, "invalid_arguments")
    call = begin(worker, "quick", [b"1", b"2"], b'{"value":1,"odd":2}', batch=3)
    assert [one["kind"] for one in answers(worker, call)] == ["invalid_arguments"] * 2


def test_batches_as_columns(start: Start, gateway: Gateway, tmp_path: Any) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "columns.py").write_text(
        "import typing\nimport pyarrow as pa\n"
        "class Columns:\n"
        "    def execute_batch(self, item: pa.RecordBatch):\n"
        "        return item.append_column('sum', pa.compute.add(item['a'], item['b']))\n"
        "    def execute_table(self, item: 'typing.Optional[pa.Table]'):\n"
        "        return [[item.num_rows, item.column_names]] * item.num_rows\n"
        "import pyarrow.compute\n"
    )
    start(f"{tmp_path}/columns.py:Columns")
    worker = gateway.next()
    call = begin(worker, "batch", [b'{"a":1,"b":2}', b'{"b":3}'], batch=5)
    assert answers(worker, call) == [{"a": 1, "b": 2, "sum": 3}, {"a": None, "b": 3, "sum": None}]
    assert answers(worker, begin(worker, "table", [b'{"a":1}', b'{"b":3}'], batch=5)) == [[2, ["a", "b"]]] * 2
    for odd in (b"1", b'{"a":"text"}'):
        call = begin(worker, "batch", [b'{"a":1}', odd], batch=5)
        assert [one["kind"] for one in answers(worker, call)] == ["invalid_arguments"] * 2
