"""What a joblog says after it was cut off anywhere."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map import joblog
from snakepit_cli.client.map.joblog import Done

WHAT = {"command": "same"}


@given(
    ranges=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9)), max_size=12),
    without=st.sets(st.integers(1, 70), max_size=6),
)
def test_ranges_are_what_a_set_of_numbers_says(ranges: list[tuple[int, int]], without: set[int]):
    lines = {line for first, count in ranges for line in range(first, first + count)} - without
    done = Done.of(ranges, sorted(without))
    for line in range(1, 80):
        run = next(n for n in range(100) if line + n not in lines)
        assert done.skip(line) == run
        if not run:
            ahead = [n - line for n in lines if n > line]
            assert done.until(line) == (min(ahead) if ahead else None)


def written(path: Path) -> None:
    log = joblog.start(str(path), WHAT)
    log.record(1, 5, 50, [])
    log.record(6, 2, 20, [7])
    log.record(10, 1, 10, [10])


def test_a_joblog_that_ends_anywhere_says_no_more_than_was_recorded(tmp_path: Path):
    written(tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    ends = [n for n, byte in enumerate(data, 1) if byte == 10]
    offsets = {0: 0, 1: 0, 2: 50, 3: 70, 4: 80}
    for cut in range(len(data) + 1):
        path = tmp_path / "cut"
        path.write_bytes(data[:cut])
        log = joblog.resume(str(path), WHAT, failed_too=False, most=None)
        whole = sum(end <= cut for end in ends)
        assert log.offset == offsets[whole]
        log.record(100, 1, 1, [])
        assert joblog.resume(str(path), WHAT, failed_too=False, most=None).offset == log.offset
        path.unlink()


def test_a_disk_without_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    written(tmp_path / "log")
    monkeypatch.setattr("os.write", full)
    monkeypatch.setattr("os.ftruncate", full)
    for attempt in (
        lambda: joblog.start(str(tmp_path / "new"), WHAT),
        lambda: joblog.resume(str(tmp_path / "log"), WHAT, failed_too=False, most=None),
    ):
        with pytest.raises(PitError, match="No space left on device") as caught:
            attempt()
        assert caught.value.kind == "output_failed"


def test_what_failed_may_be_done_again_and_counts_when_it_has_been(tmp_path: Path):
    path = str(tmp_path / "log")
    written(Path(path))
    log = joblog.resume(path, WHAT, failed_too=True, most=None)
    assert [line for line in range(1, 12) if not log.done.skip(line)] == [7, 8, 9, 10, 11]
    log.record(7, 1, 10, [])
    again = joblog.resume(path, WHAT, failed_too=True, most=None)
    assert [line for line in range(1, 12) if not again.done.skip(line)] == [8, 9, 10, 11]


def test_answers_that_were_lost_are_not_done(tmp_path: Path):
    path = tmp_path / "log"
    written(path)
    log = joblog.resume(str(path), WHAT, failed_too=False, most=65)
    assert (log.offset, log.done.skip(1), log.done.skip(6)) == (50, 5, 0)


def test_another_runs_joblog_is_not_continued_and_none_is_overwritten(tmp_path: Path):
    path = tmp_path / "log"
    written(path)
    with pytest.raises(PitError, match="another run: its command was 'same', not 'other'"):
        joblog.resume(str(path), {"command": "other"}, failed_too=False, most=None)
    with pytest.raises(PitError, match="is the joblog of a run already"):
        joblog.start(str(path), WHAT)
    path.write_text("something else\n[1]\n")
    with pytest.raises(PitError, match="is not a joblog"):
        joblog.resume(str(path), WHAT, failed_too=False, most=None)
