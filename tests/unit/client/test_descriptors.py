"""Pipes that hold more, so that the process at the other end waits less often."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.client.map.descriptors import widen

MOST = 1 << 20


@pytest.fixture
def pipe() -> Iterator[int]:
    source, sink = os.pipe()
    yield source
    os.close(source)
    os.close(sink)


def size(descriptor: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


def test_a_pipe_holds_more(pipe: int) -> None:
    widen(pipe)
    assert size(pipe) == MOST


def test_a_larger_one_stays_as_it_is(pipe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, MOST)
    monkeypatch.setattr("snakepit_cli.client.map.descriptors._PIPE", MOST // 2)
    widen(pipe)
    assert size(pipe) == MOST


def test_what_is_no_pipe_is_left_alone(tmp_path: Path) -> None:
    for path in (tmp_path, Path(os.devnull)):
        descriptor = os.open(path, os.O_RDONLY)
        widen(descriptor)
        os.close(descriptor)


def test_a_pipe_that_may_not_hold_more(pipe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snakepit_cli.client.map.descriptors._PIPE", (1 << 31) + 1)
    before = size(pipe)
    widen(pipe)
    assert size(pipe) == before
