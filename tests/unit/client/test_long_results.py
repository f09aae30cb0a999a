"""Long results, read from shared memory in pieces."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import segments
from snakepit_cli.client.segments import LongResult

TEXT = bytes(range(256)) * 1000
"""Longer than a piece, and no multiple of it."""


@pytest.fixture
def reference(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "segment"
    path.write_bytes(b"before" + TEXT + b"after")
    about = path.stat()
    return {"path": str(path), "device": about.st_dev, "inode": about.st_ino, "offset": 6, "length": len(TEXT)}


def test_it_is_the_range_and_nothing_beside_it(reference: dict[str, Any]) -> None:
    result = LongResult(reference)
    assert b"".join(map(bytes, result.pieces())) == bytes(result) == bytes(result.view()) == segments.read(reference)
    assert bytes(result) == TEXT
    assert all(len(piece) <= segments._PIECE for piece in result.pieces())
    assert result.begins_with(TEXT[:3])
    assert not result.begins_with(b"x")


@pytest.mark.parametrize("how", ["pieces", "view", "bytes"])
def test_a_file_that_has_become_shorter_is_named(reference: dict[str, Any], how: str) -> None:
    result = LongResult(reference)
    os.truncate(reference["path"], 100_000)
    ways = {"pieces": lambda: list(result.pieces()), "view": result.view, "bytes": lambda: bytes(result)}
    with pytest.raises(PitError, match="ends before byte") as caught:
        ways[how]()
    assert caught.value.kind == "server_restarted"


@pytest.mark.parametrize("how", ["pieces", "begins_with", "bytes"])
def test_a_read_that_fails_is_named(reference: dict[str, Any], how: str, tmp_path: Path) -> None:
    result = LongResult(reference)
    os.dup2(os.open(tmp_path, os.O_RDONLY), result._descriptor)  # reading a directory is an error
    ways = {"pieces": lambda: list(result.pieces()), "begins_with": lambda: result.begins_with(b"x")}
    with pytest.raises(PitError, match="cannot be read: Is a directory") as caught:
        ways.get(how, lambda: bytes(result))()
    assert caught.value.kind == "server_restarted"


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"x" * 300_000)
    other.replace(path)


def _link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize("change", [Path.unlink, _replace, _link])
def test_another_file_in_its_place_is_named(reference: dict[str, Any], change: Any) -> None:
    change(Path(reference["path"]))
    with pytest.raises(PitError) as caught:
        LongResult(reference)
    assert caught.value.kind == "server_restarted"
