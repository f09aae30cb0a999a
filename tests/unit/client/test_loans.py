"""Blocks of a pipe in shared memory: a ring of segments, none of which is written while a worker may read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.client.map.blocks import LARGEST_BYTES
from snakepit_cli.client.map.loans import Loans

SHORT = b"1\n"


def lines(letter: str, size: int = 200_000) -> bytes:
    return letter.encode() * (size - 1) + b"\n"


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = 0
        self.loans = Loans(self.ask)

    def ask(self) -> None:
        self.asked += 1

    def grant(self, segments: int) -> None:
        room = segments * LARGEST_BYTES
        facts = {"folder": str(self.folder), "name": "c-1-", "bytes": room, "kept": room, "longest": 32 << 20}
        self.loans.granted(facts)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def what(reference: dict[str, Any] | None) -> bytes:
    assert reference is not None
    about = os.stat(reference["path"])
    assert (about.st_dev, about.st_ino) == (reference["device"], reference["inode"])
    start = reference["offset"]
    return Path(reference["path"]).read_bytes()[start : start + reference["length"]]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def begun(server: Server, segments: int) -> Loans:
    """With room for so many."""
    assert server.loans.lend(1, lines("x")) is None
    server.grant(segments)
    return server.loans


def test_room_is_asked_for_once_and_not_waited_for(server: Server) -> None:
    assert server.loans.lend(1, SHORT) is None
    assert server.asked == 0
    assert server.loans.lend(2, lines("a")) is None
    assert server.loans.lend(3, lines("b")) is None
    assert server.asked == 1
    server.grant(2)
    assert what(server.loans.lend(4, lines("c"))) == lines("c")
    assert server.loans.lend(5, SHORT) is None, "a short one is better sent as bytes"


def test_segments_are_used_again_in_whatever_order_they_come_back(server: Server) -> None:
    loans = begun(server, 3)
    for number, letter in enumerate("abc"):
        assert what(loans.lend(number, lines(letter))) == lines(letter)
    names = server.names()
    for number, letter in zip((1, 2, 0), "def", strict=True):
        loans.over(number, well=True)
        assert what(loans.lend(number, lines(letter))) == lines(letter)
    assert server.names() == names


def test_a_segment_is_not_written_while_its_block_is_out(server: Server) -> None:
    loans = begun(server, 2)
    first = loans.lend(1, lines("a"))
    for number in range(2, 9):
        assert what(loans.lend(number, lines("b"))) == lines("b")
        loans.over(number, well=True)
    assert what(first) == lines("a")


def test_when_all_are_out_a_block_is_sent_as_bytes(server: Server) -> None:
    loans = begun(server, 2)
    assert loans.lend(1, lines("a")) is not None
    assert loans.lend(2, lines("b")) is not None
    assert loans.lend(3, lines("c")) is None
    loans.over(1, well=True)
    assert what(loans.lend(4, lines("d"))) == lines("d")


def test_a_block_that_is_longer_than_all_of_them_is_sent_as_bytes(server: Server) -> None:
    loans = begun(server, 2)
    assert loans.lend(1, lines("a", 3 * LARGEST_BYTES)) is None
    assert loans.lend(2, lines("b", LARGEST_BYTES)) is not None


def test_a_long_block_takes_the_room_of_those_that_are_free(server: Server) -> None:
    loans = begun(server, 16)
    for number in range(12):
        assert loans.lend(number, lines("a")) is not None
    for number in range(12):
        loans.over(number, well=True)
    long = lines("b", 6 << 20)
    assert what(loans.lend(20, long)) == long
    held = sum(os.stat(server.folder / name).st_size for name in server.names())
    assert held <= 16 * LARGEST_BYTES


def test_what_a_worker_may_still_read_is_never_written_again(server: Server) -> None:
    loans = begun(server, 1)
    first = loans.lend(1, lines("a"))
    assert first is not None
    with Path(first["path"]).open("rb") as reader:
        loans.over(1, well=False)
        assert loans.lend(2, lines("b")) is not None
        assert reader.read(200_000) == lines("a")


def test_without_shared_memory_all_are_sent_as_bytes(server: Server) -> None:
    assert server.loans.lend(1, lines("a")) is None
    server.loans.granted(None)
    assert server.loans.lend(2, lines("b")) is None
    assert server.asked == 1


def test_shared_memory_that_cannot_be_written(server: Server) -> None:
    loans = begun(server, 2)
    server.folder.rmdir()
    assert loans.lend(1, lines("a")) is None
    server.folder.mkdir()
    assert what(loans.lend(2, lines("b"))) == lines("b")


def test_none_is_left(server: Server) -> None:
    loans = begun(server, 3)
    for number in range(3):
        assert loans.lend(number, lines("a")) is not None
    loans.over(1, well=True)
    loans.close()
    assert server.names() == []
