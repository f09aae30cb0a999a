"""Long arguments in shared memory: written, used again, and never while somebody may read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.client.argument_segments import ArgumentSegments

MB = 1 << 20


class Server:
    def __init__(self, folder: Path, quota: int = 64 * MB, kept: int = 8 * MB) -> None:
        self.folder = folder
        self.quota = quota
        self.kept = kept
        self.asked: list[tuple[int, float]] = []
        self.given_back: list[int] = []
        self.segments = ArgumentSegments(self.reserve, self.given_back.append)

    def reserve(self, count: int, *, wait: float) -> dict[str, Any] | None:
        self.asked.append((count, wait))
        room = count if count <= self.quota else self.kept
        return {"folder": str(self.folder), "name": "c-1-", "bytes": room, "kept": self.kept, "longest": 32 * MB}

    def put(self, size: int) -> tuple[Any, dict[str, Any]] | None:
        return self.segments.put([b"a" * (size - 1), memoryview(b"z")], size)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    server = Server(tmp_path)
    put = server.put(2 * MB)
    assert put is not None
    _, reference = put
    data = Path(reference["path"]).read_bytes()[: reference["length"]]
    assert data == b"a" * (2 * MB - 1) + b"z"
    assert os.stat(reference["path"]).st_ino == reference["inode"]
    assert os.stat(reference["path"]).st_mode & 0o777 == 0o600


def test_a_segment_is_used_again_when_its_call_is_over(tmp_path: Path) -> None:
    server = Server(tmp_path)
    first = server.put(2 * MB)
    assert first is not None
    server.segments.done(first[0])
    second = server.put(3 * MB)
    assert second is not None
    assert second[0] is first[0]
    assert server.asked == [(4 * MB, 0.0)]


def test_one_whose_name_was_removed_is_not(tmp_path: Path) -> None:
    server = Server(tmp_path)
    first = server.put(2 * MB)
    assert first is not None
    os.unlink(first[0].path)  # by the worker: its handler has kept the array
    server.segments.done(first[0])
    second = server.put(2 * MB)
    assert second is not None
    assert second[0] is not first[0]


def test_room_beyond_the_share_is_given_back(tmp_path: Path) -> None:
    server = Server(tmp_path)
    put = server.put(40 * MB)
    assert put is not None
    server.segments.done(put[0])
    assert server.given_back == [8 * MB]
    assert server.names() == []


def test_what_can_be_sent_as_bytes_does_not_wait_for_room(tmp_path: Path) -> None:
    server = Server(tmp_path, quota=MB)
    assert server.put(20 * MB) is None
    assert server.asked == [(20 * MB, 0.0)]
    assert server.put(40 * MB) is None
    assert server.asked[1:] == [(40 * MB, 0.0), (40 * MB, 60.0)]


def test_without_shared_memory_it_asks_once(tmp_path: Path) -> None:
    asked = []

    def reserve(count: int, *, wait: float) -> None:
        asked.append((count, wait))

    segments = ArgumentSegments(reserve, lambda _: None)
    assert segments.put([b"x" * MB], MB) is None
    assert segments.put([b"x" * MB], MB) is None
    assert len(asked) == 1


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_memory_that_is_full_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    server = Server(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    assert server.put(2 * MB) is None
    assert server.names() == []
    monkeypatch.undo()
    assert server.put(2 * MB) is not None


def test_dropped_and_closed_ones_are_removed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    one, other = server.put(2 * MB), server.put(2 * MB)
    assert one is not None
    assert other is not None
    server.segments.drop(one[0])
    server.segments.done(other[0])
    server.segments.close()
    assert server.names() == []


def test_of_many_segments_as_many_are_kept_as_the_share_holds(tmp_path: Path) -> None:
    server = Server(tmp_path, kept=2 * MB)
    puts = [server.put(MB) for _ in range(5)]
    for put in puts:
        assert put is not None
        server.segments.done(put[0])
    assert len(server.names()) == 2
    assert server.given_back == [2 * MB]


def test_room_of_a_dropped_segment_is_given_back(tmp_path: Path) -> None:
    server = Server(tmp_path)
    put = server.put(40 * MB)
    assert put is not None
    server.segments.drop(put[0])
    assert server.given_back == [8 * MB]
