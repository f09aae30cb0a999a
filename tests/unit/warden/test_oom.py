"""Whether the kernel killed a child for lack of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.warden.burial import oom


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The memory cgroup that we seem to be in, of version 2; the machine's counter is "vmstat" beside it."""
    monkeypatch.setattr(oom, "own_cgroup", lambda controller="": None if controller else tmp_path / "own")
    monkeypatch.setattr(oom, "_MACHINE", tmp_path / "vmstat")
    (tmp_path / "own").mkdir()
    (tmp_path / "vmstat").write_text("nr_free_pages 1\noom_kill 7\n")
    return tmp_path


def count(file: Path, kills: int) -> None:
    file.write_text(f"low 0\noom_kill {kills}\noom_group_kill 0\n")


@pytest.mark.parametrize("name", ["own/memory.events", "vmstat"])
def test_each_kill_is_the_reason_of_one_death(folder: Path, name: str) -> None:
    count(folder / name, 3)
    counter = oom.OutOfMemory()
    assert not counter.happened()
    count(folder / name, 4)
    assert counter.happened()
    assert not counter.happened()


def test_two_kills_between_two_looks_are_two_deaths(folder: Path) -> None:
    counter = oom.OutOfMemory()
    count(folder / "vmstat", 9)
    counter.look()
    assert [counter.happened() for _ in range(3)] == [True, True, False]


def test_what_another_cgroup_suffers_is_not_ours(folder: Path) -> None:
    count(folder / "own/memory.events", 0)
    counter = oom.OutOfMemory()
    count(folder / "vmstat", 8)
    assert not counter.happened()


def test_only_what_happened_lately_counts(folder: Path) -> None:
    counter = oom.OutOfMemory()
    count(folder / "vmstat", 8)
    counter.look()
    assert counter.happened(), "it may have been since the look before"
    count(folder / "vmstat", 9)
    counter.look()
    counter.look()
    assert not counter.happened()


def test_the_kills_of_the_past_of_another_cgroup_are_not_ours(folder: Path) -> None:
    counter = oom.OutOfMemory()
    count(folder / "own/memory.events", 50)
    assert not counter.happened()
    counter.look()
    assert not counter.happened()
    count(folder / "own/memory.events", 51)
    assert counter.happened()


def test_without_a_counter_nothing_has_happened(folder: Path) -> None:
    (folder / "vmstat").unlink()
    counter = oom.OutOfMemory()
    counter.look()
    assert not counter.happened()
