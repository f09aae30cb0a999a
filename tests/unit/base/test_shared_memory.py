"""Directories of segments: claimed by one, cleared, and removed when their instance has gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snakepit_cli.base import shared_memory
from snakepit_cli.base.paths import PathError


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "shm"
    root.mkdir(0o700)
    monkeypatch.setattr(shared_memory, "SHARED", root)
    return root


def test_it_is_named_after_the_cookie_and_does_not_give_it_away(shared: Path, tmp_path: Path) -> None:
    one, other = (shared_memory.folder(secret, str(tmp_path)) for secret in ("secret", "another"))
    assert one == shared_memory.folder("secret", str(tmp_path)) != other
    assert one.parent == shared
    assert "secret" not in one.name
    assert one.stat().st_mode & 0o777 == 0o700


def test_without_shared_memory_it_is_in_the_runtime_directory(shared: Path, tmp_path: Path) -> None:
    shared.rmdir()
    assert shared_memory.folder("secret", str(tmp_path)) == tmp_path / "segments"
    assert not shared.exists()
    shared.write_text("")
    assert shared_memory.folder("secret", str(tmp_path)) == tmp_path / "segments"


def test_what_somebody_else_has_planted_is_not_used(shared: Path, tmp_path: Path) -> None:
    name = shared_memory.folder("secret", str(tmp_path)).name
    (shared / name).rmdir()
    (shared / name).symlink_to(tmp_path)
    assert shared_memory.folder("secret", str(tmp_path)) == tmp_path / "segments"


def test_one_claims_it_and_finds_it_empty(shared: Path, tmp_path: Path) -> None:
    folder = shared_memory.folder("secret", str(tmp_path))
    (folder / "w-1").write_bytes(b"left over")
    descriptor = shared_memory.claim(folder)
    assert descriptor is not None
    try:
        assert [path.name for path in folder.iterdir()] == ["lock"]
        assert list(shared_memory.remove_abandoned()) == []
        assert shared_memory.claim(folder) is None
    finally:
        os.close(descriptor)


def test_one_whose_instance_has_gone_is_removed(shared: Path, tmp_path: Path) -> None:
    folder = shared_memory.folder("secret", str(tmp_path))
    os.close(shared_memory.claim(folder) or -1)
    (folder / "w-1").write_bytes(b"left over")
    assert list(shared_memory.remove_abandoned(dry_run=True)) == [(folder, 1)]
    assert folder.exists()
    assert list(shared_memory.remove_abandoned()) == [(folder, 1)]
    assert not folder.exists()


def test_one_that_is_being_made_may_go_and_is_made_again(shared: Path, tmp_path: Path) -> None:
    folder = shared_memory.folder("secret", str(tmp_path))
    assert list(shared_memory.remove_abandoned()) == []
    assert not folder.exists()
    descriptor = shared_memory.claim(folder)
    assert descriptor is not None
    os.close(descriptor)


def test_directories_of_others_are_left_alone(shared: Path) -> None:
    mine = f"snakepit-{os.geteuid()}-0"
    (shared / mine).mkdir(0o755)  # open to others: not made by us
    (shared / f"snakepit-{os.geteuid() + 1}-0").mkdir(0o700)
    (shared / "other").mkdir(0o700)
    for path in shared.iterdir():
        (path / "lock").touch()
    assert list(shared_memory.remove_abandoned()) == []


def test_a_directory_that_cannot_be_made_is_named(shared: Path, tmp_path: Path) -> None:
    shared.rmdir()
    (tmp_path / "segments").write_text("")
    with pytest.raises(PathError, match="segments"):
        shared_memory.folder("secret", str(tmp_path))
