"""The database thread: batches, and what happens when the file cannot be used."""

from __future__ import annotations

import contextlib
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.store import database, schema
from snakepit_cli.server.store.database import Database


class Asked:
    """A database, asked from this thread."""

    def __init__(self, path: Path) -> None:
        self._outcomes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.database = Database(path, self._outcomes.put)

    def begin(self, run: Callable[[sqlite3.Connection], Any]) -> list[Any]:
        """A list that the outcome is put into."""
        came: list[Any] = []
        self.database.submit(run, lambda value, error: came.append((value, error)))
        return came

    def ask(self, run: Callable[[sqlite3.Connection], Any]) -> Any:
        """The value. Raises what the job raised."""
        came = self.begin(run)
        while not came:
            self._outcomes.get(timeout=20)()
        value, error = came[0]
        if error is not None:
            raise error
        return value


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    found = Asked(tmp_path / "state" / "sessions.db")
    yield found
    found.database.close()


def insert(name: str) -> Callable[[sqlite3.Connection], None]:
    def run(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO facts VALUES (?, 1)", (name,))

    return run


def facts(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM facts ORDER BY 1")]


def test_what_was_answered_is_there_for_the_next_process(asked: Asked) -> None:
    asked.ask(insert("a"))
    other = schema.opened(asked.database.path)  # while the first one is open: as after a kill
    assert "a" in facts(other)
    other.close()


def test_a_job_that_raises_changes_nothing_and_the_others_go_on(asked: Asked) -> None:
    def half(db: sqlite3.Connection) -> None:
        insert("half")(db)
        raise PitError("usage", "no")

    first, second, third = asked.begin(insert("a")), asked.begin(half), asked.begin(insert("b"))
    assert [name for name in asked.ask(facts) if len(name) != 5 and name != "sessions"] == ["a", "b"]
    assert first == third == [(None, None)]
    assert second[0][1].kind == "usage"


def test_outcomes_come_in_order(asked: Asked) -> None:
    order: list[int] = []
    for number in range(1000):
        asked.database.submit(lambda db, number=number: number, lambda value, _: order.append(value))  # type: ignore[misc]
    asked.ask(facts)
    assert order == list(range(1000))


def test_jobs_that_wait_have_a_limit(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MOST_WAITING", 0)
    with pytest.raises(PitError) as caught:
        asked.begin(facts)
    assert caught.value.kind == "pool_saturated"


def test_close_finishes_what_was_begun_and_the_file_can_be_opened_again(asked: Asked) -> None:
    for number in range(600):
        asked.begin(insert(f"x{number}"))
    asked.database.close()
    assert len(asked.ask(facts)) == 602


def test_a_full_disk_is_named_and_nothing_of_the_batch_is_kept(asked: Asked) -> None:
    asked.ask(lambda db: db.execute("PRAGMA max_page_count=30").fetchall())
    with pytest.raises(PitError) as caught:
        asked.ask(lambda db: db.execute("INSERT INTO facts VALUES (zeroblob(300000), 1)"))
    assert caught.value.kind == "state_unavailable"
    assert "full" in caught.value.message
    asked.ask(insert("a"))  # smaller things still fit
    assert "a" in asked.ask(facts)


@pytest.mark.parametrize("damage", [b"this is no database", b""])
def test_a_damaged_file_is_set_aside_and_said_once(asked: Asked, damage: bytes) -> None:
    path = asked.database.path
    asked.ask(insert("a"))
    asked.database.close()
    content = path.read_bytes()
    path.write_bytes(damage * 100 + b"\0" * 4096 if damage else content[:4096] + b"\xff" * (len(content) - 4096))
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    with pytest.raises(PitError) as caught:
        asked.ask(facts)
    assert caught.value.kind == "state_unavailable"
    assert "was damaged" in caught.value.message
    (aside,) = asked.database.set_aside
    assert aside.name in caught.value.message
    assert aside.exists()
    asked.ask(insert("b"))
    assert "a" not in asked.ask(facts)


def test_a_file_that_was_removed_is_put_back(asked: Asked) -> None:
    path = asked.database.path
    asked.ask(insert("a"))
    for part in path.parent.iterdir():
        part.unlink()
    asked.ask(insert("b"))
    asked.database.close()
    assert asked.ask(facts) == ["a", "b", "clock", "sessions"]
    assert not path.with_name(f"{path.name}.new").exists()


def test_a_file_of_a_newer_version_is_left_alone(asked: Asked) -> None:
    asked.ask(lambda db: db.execute("PRAGMA user_version=99").fetchall())
    asked.database.close()
    before = asked.database.path.read_bytes()
    with pytest.raises(PitError) as caught:
        asked.ask(facts)
    assert "newer version" in caught.value.message
    assert asked.database.path.read_bytes() == before


def test_a_backup_may_read_the_file_meanwhile(asked: Asked, tmp_path: Path) -> None:
    asked.ask(insert("a"))
    reader = sqlite3.connect(asked.database.path)
    reader.execute("BEGIN")
    assert "a" in facts(reader)
    asked.ask(insert("b"))
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        reader.backup(copy)
        assert "a" in facts(copy)
    reader.close()


def test_a_lock_that_stays_is_named(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.05)
    asked.ask(facts)
    holder = sqlite3.connect(asked.database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(PitError) as caught:
        asked.ask(insert("a"))
    assert "locked" in caught.value.message
    holder.execute("ROLLBACK")
    holder.close()
    asked.ask(insert("a"))


def test_a_lock_that_ends_is_waited_for(asked: Asked) -> None:
    asked.ask(facts)
    holder = sqlite3.connect(asked.database.path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: holder.execute("ROLLBACK"))
    release.start()

    def reads_and_writes(db: sqlite3.Connection) -> None:
        facts(db)
        insert("a")(db)

    asked.ask(reads_and_writes)
    release.join()
    holder.close()
    assert "a" in asked.ask(facts)


def test_a_folder_that_cannot_be_made_is_named(asked: Asked) -> None:
    asked.database.path.parent.parent.joinpath("state").write_text("a file")
    with pytest.raises(PitError) as caught:
        asked.ask(facts)
    assert caught.value.kind == "state_unavailable"
    asked.database.path.parent.unlink()
    asked.ask(insert("a"))


def test_the_file_is_nobody_elses(asked: Asked) -> None:
    asked.ask(insert("a"))
    modes = [path.stat().st_mode & 0o077 for path in asked.database.path.parent.iterdir()]
    assert modes
    assert not any(modes)


def test_a_commit_that_fails_is_every_jobs_failure(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.ask(facts)

    def fail(_: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database, "failpoint", fail)
    came = [asked.begin(insert(name)) for name in "ab"]
    with pytest.raises(PitError):
        asked.ask(facts)
    assert {error.kind for ((_, error),) in came} == {"state_unavailable"}
    monkeypatch.undo()
    assert asked.ask(facts) == ["clock", "sessions"]


def test_two_damaged_files_do_not_overwrite_each_other(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    names = set()
    for _ in range(3):
        path.write_text("x")
        names.add(schema.set_aside(path))
    assert len(names) == 3
    shutil.rmtree(tmp_path)


def test_a_file_of_an_older_version_becomes_one_of_this(asked: Asked) -> None:
    """So that an older server does not read values with parts as JSON."""
    asked.ask(insert("a"))
    asked.ask(lambda db: db.execute("PRAGMA user_version=1").fetchall())
    asked.database.close()
    assert "a" in asked.ask(facts)
    assert asked.ask(lambda db: db.execute("PRAGMA user_version").fetchone()) == (schema.VERSION,)
