"""How input becomes blocks, and what the end of one means."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map import blocks as blocks_module
from snakepit_cli.client.map.blocks import LONGEST_LINE, Answers, Block, Cutter, Order, Pace, Tally, Work

MARK = b"\xef\xbb\xbf"
CRASH = PitError("worker_crashed", "killed")


@given(
    lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    reads=st.integers(1, 50),
    items=st.integers(1, 10),
    complete=st.booleans(),
    text=st.booleans(),
    mark=st.booleans(),
)
def test_every_line_is_in_one_block_whatever_the_reads(
    lines: list[bytes], reads: int, items: int, complete: bool, text: bool, mark: bool
):
    data = MARK * mark + b"\n".join(lines) + (b"\n" if complete and lines else b"")
    expected = data.removeprefix(MARK).split(b"\n")  # the first line may itself begin with the mark
    if not expected[-1]:
        expected.pop()
    if text:
        expected = [line.removesuffix(b"\r") for line in expected]
    while not text and expected and not expected[-1].strip(b" \t\r"):
        expected.pop()
    cutter, blocks = Cutter(text=text), []
    for at in [*range(0, len(data), reads), len(data)]:
        cutter.feed(data[at : at + reads])
        while cutter.ready:
            blocks.append(cutter.cut(items))

    assert cutter.over
    assert b"".join(block.lines for block in blocks) == b"".join(line + b"\n" for line in expected)
    assert all(block.lines.count(b"\n") == block.count >= 1 for block in blocks)
    assert [block.first for block in blocks] == [1 + sum(b.count for b in blocks[:n]) for n in range(len(blocks))]


@given(
    sizes=st.lists(st.integers(1, 40), max_size=60),
    reads=st.integers(1, 200),
    batch=st.integers(1, 9),
    items=st.integers(1, 30),
    largest=st.integers(20, 300),
)
def test_blocks_are_of_whole_batches_unless_there_is_too_much(
    sizes: list[int], reads: int, batch: int, items: int, largest: int
):
    data = b"".join(b"x" * size + b"\n" for size in sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "LARGEST_BATCH", largest)
        cutter, blocks = Cutter(batch=batch), []
        for at in [*range(0, len(data), reads), len(data)]:
            cutter.feed(data[at : at + reads])
            while cutter.ready:
                blocks.append(cutter.cut(items))
    assert cutter.over
    assert b"".join(block.lines for block in blocks) == data
    assert [block.first for block in blocks] == [1 + sum(b.count for b in blocks[:n]) for n in range(len(blocks))]
    for block in blocks[:-1]:
        assert block.count % batch == 0 or len(block.lines) + 41 > largest
        assert block.count <= max(items, batch)
    assert all(len(block.lines) <= largest or block.count == 1 for block in blocks)


def test_a_batch_waits_until_it_is_full_or_the_input_is_over():
    cutter = Cutter(batch=3)
    cutter.feed(b"1\n2\n")
    assert not cutter.ready
    cutter.feed(b"3\n4\n")
    assert cutter.cut(1).lines == b"1\n2\n3\n"
    assert not cutter.ready
    cutter.feed(b"")
    assert cutter.cut(9).lines == b"4\n"
    cutter = Cutter(batch=2)
    cutter.feed(b"1\n2\n3\n4\n5\n6\n7\n")
    assert cutter.cut(9, 5).lines == b"1\n2\n3\n4\n"
    assert cutter.drop(1) == (b"5\n", 1)
    assert cutter.cut(1, 1).lines == b"6\n", "the next line is not to be sent"


def test_a_batch_that_has_ended_its_worker_fails_as_a_whole():
    tally = Tally()
    work = Work(0, tally, batch=2)
    whole = Block(11, b"1\n2\n3\n4\n5\n", 5)
    work.answers(whole, b"1\n2\n", [])
    assert work.ended(whole, CRASH) is None
    again = work.again.popleft()
    assert (again.first, again.lines, again.careful) == (13, b"3\n4\n5\n", True)
    failed = work.ended(again, CRASH)
    assert failed is not None
    assert (failed.first, failed.count, failed.failed, failed.lines.count(b"\n")) == (13, 2, (13, 14), 2)
    last = work.again.popleft()
    assert (last.first, last.lines, last.count) == (15, b"5\n", 1)
    assert (tally.done, tally.failed, tally.taken) == (4, 2, 8)
    alone = work.ended(Block(1, b"1\n2\n", 2), CRASH)
    assert alone is not None
    assert alone.failed == (1, 2)


def test_blocks_grow_while_items_are_quick_and_shrink_when_they_are_slow():
    pace = Pace()
    for _ in range(20):
        pace.learn(pace.items, pace.items * 1e-6)
    assert pace.items == 12_000
    pace.learn(pace.items, 80.0)
    assert pace.items == 1


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=10), seed=st.randoms())
def test_answers_leave_in_the_order_of_the_input(sizes: list[int], seed):
    parts, first = [], 1
    for size in sizes:
        parts.append((first, size, b"".join(b"%d\n" % n for n in range(first, first + size))))
        first += size
    shuffled = parts[:]
    seed.shuffle(shuffled)
    order = Order(kept=True)

    ready = [answers for part in shuffled for answers in order.put(Answers(*part))]
    assert b"".join(answers.lines for answers in ready) == b"".join(part[2] for part in parts)
    assert not order.parts


def block(*lines: bytes, **more: object) -> Block:
    return Block(10, b"".join(line + b"\n" for line in lines), len(lines), **more)


def test_failures_are_marked_with_their_line():
    tally = Tally()
    work, one = Work(0, tally), block(b"1", b"2", b"3")

    came = work.answers(one, b'"a"\n{"kind":"command_failed","message":"no"}\n', [1])

    out = came.lines
    assert (came.first, came.count, came.failed) == (10, 2, (11,))
    assert out.startswith(b'"a"\n')
    error = json.loads(out.splitlines()[1])["error"]
    assert (error["kind"], error["message"], error["line"], error["exit"]) == ("command_failed", "no", 11, 1)
    assert (one.first, one.rest, one.count) == (12, b"3\n", 1)
    assert (tally.done, tally.failed) == (2, 1)


@pytest.mark.parametrize("error", [CRASH, PitError("worker_timeout", "timed out")])
def test_the_rest_of_a_block_that_one_item_has_ended_is_run_with_care_and_only_then_that_is_to_blame(error: PitError):
    work = Work(0, Tally())
    one = block(b"1", b"2", b"3")
    work.answers(one, b"1\n", [])

    assert work.ended(one, error) is None
    again = work.again.popleft()
    assert (again.first, again.lines, again.count, again.careful) == (11, b"2\n3\n", 2, True)

    came = work.ended(again, error)
    assert came is not None
    assert (came.first, came.count, came.failed) == (11, 1, (11,))
    assert json.loads(came.lines)["error"]["kind"] == error.kind
    rest = work.again.popleft()
    assert (rest.first, rest.lines, rest.count, rest.careful) == (12, b"3\n", 1, False)


def test_an_item_alone_is_to_blame_at_once_unless_it_has_more_chances():
    work = Work(1, Tally())

    assert work.ended(block(b"1"), CRASH) is None
    again = work.again.popleft()
    assert again.tried == 1
    assert work.ended(again, CRASH) is not None
    assert not work.again


def test_a_block_that_was_not_begun_is_sent_as_it_was():
    work = Work(0, Tally())

    assert work.ended(block(b"1", b"2"), PitError("queue_timeout", "waited")) is None
    assert work.again.popleft() == block(b"1", b"2")


def test_what_no_other_worker_can_mend_ends_the_run():
    with pytest.raises(PitError, match="broken"):
        Work(0, Tally()).ended(block(b"1"), PitError("adapter_failed", "broken"))
    with pytest.raises(PitError, match="no answer to line 10"):
        Work(0, Tally()).ended(block(b"1"), None)
    with pytest.raises(PitError, match="2 answers to 1 items"):
        Work(0, Tally()).answers(block(b"1"), b"1\n2\n", [])


def test_a_server_that_was_lost_is_nobodys_fault():
    work = Work(0, Tally())
    one = block(b"1")
    for tried in range(1, 4):
        assert work.ended(one, PitError("server_restarted", "lost")) is None
        one = work.again.popleft()
        assert (one.tried, one.careful) == (tried, False)
    given_up = work.ended(one, PitError("server_restarted", "lost"))
    assert given_up is not None
    assert given_up.failed == (10,)


def test_an_envelope_says_the_line_of_each_answer():
    work = Work(0, Tally(), envelope=True)
    lines = work.answers(block(b"1", b"2"), b'"a"\n{"kind":"command_failed","message":"no"}\n', [1]).lines.splitlines()
    assert json.loads(lines[0]) == {"line": 10, "result": "a"}
    assert json.loads(lines[1])["line"] == 11
    assert json.loads(lines[1])["error"]["kind"] == "command_failed"


def test_lines_that_are_done_are_dropped_and_a_block_ends_before_the_next_of_them():
    cutter = Cutter()
    cutter.feed(b"1\n2\n3\n4\n5")
    assert cutter.drop(2) == (b"1\n2\n", 2)
    assert cutter.cut(10, most=1) == Block(3, b"3\n", 1)
    assert cutter.drop(5) == (b"4\n", 1)
    cutter.feed(b"")
    assert cutter.cut(10) == Block(5, b"5\n", 1)


def test_a_line_without_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("snakepit_cli.client.map.blocks.LONGEST_LINE", 100)
    assert LONGEST_LINE > 100 << 20
    cutter = Cutter()
    cutter.feed(b"x\n" + b"y" * 90)
    with pytest.raises(PitError, match="does not end"):
        cutter.feed(b"y" * 90)
