"""Reading what a message refers to, and writing answers into segments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.failures import Refusal
from snakepit_bridge.runtime import references
from snakepit_bridge.runtime.segments import Segments


def to(path: Path, offset: int = 0, length: int | None = None) -> pb.Reference:
    found = os.stat(path)
    size = found.st_size if length is None else length
    return pb.Reference(path=str(path), device=found.st_dev, inode=found.st_ino, offset=offset, length=size)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a file"
    path.write_bytes(b"one\ntwo\nthree\n")
    return path


def refused(ref: pb.Reference) -> str:
    with pytest.raises(Refusal) as caught:
        references.read(ref)
    assert caught.value.failure.kind == pb.Failure.Kind.REFERENCE_FAILED
    return caught.value.failure.message


def test_a_range(file: Path) -> None:
    assert references.read(to(file, 4, 4)) == b"two\n"
    assert references.read(to(file, 4, 0)) == b""


def test_a_file_that_has_become_shorter(file: Path) -> None:
    ref = to(file)
    os.truncate(file, 5)
    assert "ends before byte 14" in refused(ref)


def test_a_file_that_has_been_replaced_or_removed(file: Path, tmp_path: Path) -> None:
    ref = to(file)
    other = tmp_path / "other"
    other.write_bytes(b"x" * 14)
    other.rename(file)
    assert "another file" in refused(ref)
    file.unlink()
    assert "No such file" in refused(ref)


def test_what_is_no_regular_file(file: Path, tmp_path: Path) -> None:
    link, fifo = tmp_path / "link", tmp_path / "fifo"
    link.symlink_to(file)
    os.mkfifo(fifo)
    assert "cannot be read" in refused(to(link))
    assert "no regular file" in refused(to(fifo))
    assert "no regular file" in refused(to(tmp_path))
    assert "no regular file" in refused(to(Path("/dev/zero"), 0, 10))


@pytest.mark.parametrize("fields", [{"offset": 1 << 63}, {"length": 1 << 63}, {"path": "/a\0b"}, {"path": ""}])
def test_numbers_and_names_that_cannot_be(file: Path, fields: dict[str, Any]) -> None:
    ref = to(file)
    for name, value in fields.items():
        setattr(ref, name, value)
    assert refused(ref)


def test_the_items_of_a_block(file: Path) -> None:
    assert references.block_lines(pb.Block(lines=b"1\n", count=1)) == b"1\n"
    assert references.block_lines(pb.Block(lines_ref=to(file), count=3)) == file.read_bytes()


@pytest.mark.parametrize(("offset", "length", "count"), [(0, 14, 2), (0, 14, 4), (0, 13, 2), (0, 0, 0)])
def test_a_range_that_has_other_lines_than_it_had(file: Path, offset: int, length: int, count: int) -> None:
    with pytest.raises(Refusal, match=f"has not {count} lines"):
        references.block_lines(pb.Block(lines_ref=to(file, offset, length), count=count))


# ---------------------------------------------------------------------------------------------- segments


class Server:
    """Grants what it is told to."""

    def __init__(self, folder: Path, room: int = 1 << 20) -> None:
        welcome = pb.Welcome(segments=str(folder), segment_name="w-1-", segment_bytes=room, reference_above=1000)
        self.asked: list[int] = []
        self.grants = room
        self.segments = Segments(welcome, self._ask)
        self.folder = folder

    def _ask(self, count: int) -> None:
        self.asked.append(count)
        self.segments.granted(self.grants)

    def put(self, size: int) -> pb.Reference | None:
        return self.segments.put((b"a" * (size - 1), b"z"))

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def test_a_payload_is_written_and_can_be_read(tmp_path: Path) -> None:
    server = Server(tmp_path)
    ref = server.put(5000)
    assert ref is not None
    assert references.read(ref) == b"a" * 4999 + b"z"
    assert Path(ref.path).stat().st_mode & 0o777 == 0o600


def test_a_short_one_is_none(tmp_path: Path) -> None:
    server = Server(tmp_path)
    assert server.put(999) is None
    assert server.files() == []


def test_a_released_one_is_used_again(tmp_path: Path) -> None:
    server = Server(tmp_path)
    first, second = server.put(5000), server.put(5000)
    assert first is not None
    assert second is not None
    assert first.path != second.path
    server.segments.released([first.path])
    third = server.put(6000)
    assert third is not None
    assert third.path == first.path


def test_there_are_never_more_bytes_than_allowed(tmp_path: Path) -> None:
    server = Server(tmp_path, room=1 << 18)
    refs = [server.put(60_000) for _ in range(6)]
    assert [ref is not None for ref in refs] == [True] * 4 + [False] * 2
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 18


def test_after_a_burst_no_more_is_kept_than_before(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.grants = 64 << 20
    paths = [ref.path for ref in [server.put(400_000) for _ in range(6)] if ref is not None]
    assert len(paths) == 6
    server.segments.released(paths[:5])
    server.segments.released(paths[5:])
    assert 0 < sum(path.stat().st_size for path in server.folder.iterdir()) <= 1 << 20


def test_a_large_one_asks_for_room_and_gives_it_back(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.grants = 64 << 20
    ref = server.put(40 << 20)
    assert ref is not None
    assert server.asked == [40 << 20]
    server.segments.released([ref.path])
    assert server.files() == [], "its memory is free at once"
    assert server.put(2000) is not None
    assert len(server.files()) == 1
    server.grants = 1 << 20
    assert server.put(40 << 20) is None, "there is no room this time"


def test_memory_that_is_full_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert server.put(5000) is None
    assert server.files() == []
    monkeypatch.undo()
    assert server.put(5000) is not None


def test_memory_that_becomes_full_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert server.put(5000) is None
    assert server.files() == []


def test_after_the_end_of_the_stream_there_are_none(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.segments.lost()
    assert server.put(5000) is None
