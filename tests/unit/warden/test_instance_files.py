"""What leads to an instance: made again when it is gone, and never taken from another warden."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.warden.instance_files import Door
from snakepit_cli.warden.records import paths
from snakepit_cli.warden.records.paths import Places


def places(folder: Path, state: str = "state", runtime: str = "run") -> Places:
    made = Places("default", folder / runtime, folder / state)
    for path in (made.runtime, made.state):
        paths.paths.secure(str(path))
    return made


class House:
    """A warden's places, with the locks held and the door open."""

    def __init__(self, where: Places) -> None:
        self.places = where
        self.notes: list[str] = []
        self.changes: list[socket.socket | None] = []
        assert where.lock() is not None
        self.door = Door(where, {"pid": 1}, "s" * 32, self.notes.append)
        where.gateway.touch()

    def look(self) -> bool:
        return self.door.look(self.changes.append)

    def close(self) -> None:
        self.door.close()
        for descriptor in self.places.held.values():
            os.close(descriptor)
        self.places.held.clear()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(places(tmp_path))
    yield one
    one.close()


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.mark.parametrize("shared", ["state", "runtime"])
def test_one_directory_in_common_is_enough_for_one_lock(house: House, tmp_path: Path, shared: str) -> None:
    other = places(tmp_path, **{"runtime" if shared == "state" else "state": "other"})
    assert other.lock() is None
    assert other.held == {}, "no lock is kept by one that has not got both"
    assert places(tmp_path, "free", "free").lock() is not None, "one directory for both is no contradiction"


def test_nothing_is_done_while_nothing_is_wrong(house: House) -> None:
    before = {path: os.stat(path).st_ino for path in house.places.runtime.iterdir()}
    assert house.look()
    assert {path: os.stat(path).st_ino for path in house.places.runtime.iterdir()} == before
    assert (house.changes, house.notes) == ([], [])


@pytest.mark.parametrize("gone", ["runtime", "state", "both", "front", "endpoint"])
def test_what_is_gone_is_made_again(house: House, gone: str) -> None:
    where = house.places
    folders = {"runtime": [where.runtime], "state": [where.state], "both": [where.runtime, where.state]}
    for path in folders.get(gone, ()):
        shutil.rmtree(path)
    if gone in {"front", "endpoint"}:
        getattr(where, gone).unlink()
    assert house.look()
    assert connects(where.front)
    assert where.endpoint.exists()
    assert (where.state / "cookie").read_text() == "s" * 32
    assert places(where.state.parent).lock() is None, "it is locked again"
    assert len(house.changes) == (gone in {"runtime", "both", "front"})
    where.gateway.touch()
    assert house.look()
    assert len(house.changes) <= 1


def test_a_gateway_that_is_gone_is_told_to_a_server_that_is_ready(house: House) -> None:
    house.places.gateway.unlink()
    assert house.door.look(None)
    assert house.look()
    assert house.changes == [None]


def test_another_one_that_has_taken_the_place_is_left_alone(house: House, tmp_path: Path) -> None:
    shutil.rmtree(house.places.runtime)
    shutil.rmtree(house.places.state)
    other = House(places(tmp_path))
    assert not house.look()
    house.door.close()
    for path in (other.places.front, other.places.gateway, other.places.endpoint):
        assert path.exists()
    assert connects(other.places.front)
    other.close()


def test_at_the_end_all_is_removed_also_what_dead_ones_left(house: House) -> None:
    house.door.close()
    for path in (house.places.front, house.places.gateway, house.places.endpoint):
        assert not path.exists()


def test_a_file_system_that_cannot_be_written_is_told_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    house.places.front.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "bind", refuse)
        assert house.look()
        assert house.look()
    assert len([note for note in house.notes if "Read-only" in note]) == 1
    assert house.look()
    assert connects(house.places.front)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        house.door.close()
    assert "Read-only" in house.notes[-1]
