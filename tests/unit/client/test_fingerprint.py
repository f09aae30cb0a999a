"""A run is continued with the input that it had, not with another."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map import joblog
from snakepit_cli.client.map.blocks import Cutter
from snakepit_cli.client.map.fingerprint import MOST_CHECKPOINTS, Checkpoint, Fingerprint, thin

WAS = b"one\ntwo\nthree\nfour\nfive"


def taken(data: bytes, expected: list[Checkpoint], *, items: int = 1, end: bool = True) -> list[Checkpoint]:
    """The checkpoints of a run that takes that many items at once."""
    cutter, fingerprint, found = Cutter(text=True), Fingerprint(expected), []
    cutter.feed(data)
    cutter.feed(b"")
    while not cutter.over:
        block = cutter.cut(items, fingerprint.limit())
        fingerprint.take(block.lines, block.count)
        if checkpoint := fingerprint.done(block.first, block.count):
            found.append(checkpoint)
    if end:
        fingerprint.end()
    return found


@pytest.mark.parametrize("items", [1, 2, 100])
@pytest.mark.parametrize("now", [WAS, WAS + b"\n", WAS.replace(b"\n", b"\r\n"), WAS + b"\nsix\nseven"])
def test_the_same_input_or_one_that_has_grown_passes(now: bytes, items: int):
    assert taken(now, taken(WAS, []), items=items)


@pytest.mark.parametrize("now", [b"", b"one\n", b"1\n2\n3\n4\n5", b"zero\n" + WAS, WAS + b"th", WAS.upper()])
@pytest.mark.parametrize("kept", [slice(None), slice(-1, None)])
def test_another_input_is_refused(now: bytes, kept: slice):
    with pytest.raises(PitError, match="its input was different") as caught:
        taken(now, taken(WAS, [])[kept], items=100)
    assert caught.value.kind == "usage"


def test_a_joblog_keeps_what_the_input_was(tmp_path: Path):
    path = str(tmp_path / "log")
    log = joblog.start(path, {})
    log.record(1, 2, 4, [], (3, "abc"))
    log.record(3, 1, 2, [])
    again = joblog.resume(path, {}, failed_too=False, most=None)
    assert (again.checkpoints, again.offset, again.done.skip(1)) == ([(3, "abc")], 6, 3)


def test_a_checkpoint_is_of_lines_that_are_all_done():
    fingerprint = Fingerprint()
    for _ in range(5):
        fingerprint.take(b"x\n", 1)
    cuts = [fingerprint.done(line, 1) for line in (2, 4, 1, 5, 3)]
    assert [cut and cut[0] for cut in cuts] == [None, None, 3, None, 6]


def test_checkpoints_are_not_without_number():
    many: list[Checkpoint] = []
    for line in range(10 * MOST_CHECKPOINTS):
        many.append((line, ""))
        thin(many)
    assert len(many) <= MOST_CHECKPOINTS
    assert (many[0][0], many[-1][0]) == (0, 10 * MOST_CHECKPOINTS - 1)
