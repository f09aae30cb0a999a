"""A file that SQLite itself finds sound may still hold what snakepit has not written: it is set aside all the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.burial import reap
from snakepit_cli.warden.records.store import Registry

SECRET = "0123456789abcdef" * 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    registry = Registry(tmp_path / "registry.db")
    registry.reserve("run", "worker", ["a-1"])
    registry.bind([("a-1", Identity("boot", 1, 1, 1))])
    registry.close()
    return tmp_path / "registry.db"


@pytest.mark.parametrize(
    "change",
    ["role = CAST(x'c1c1' AS TEXT)", "id = x'00'", "pid = 'many'", "pid = -1", "pid = 1 << 40", "start = 1.5",
     "boot = NULL"],
)  # fmt: skip
def test_a_value_that_cannot_be_one(path: Path, change: str) -> None:
    db = sqlite3.connect(path)
    db.execute(f"UPDATE process SET {change}")
    db.commit()
    db.close()
    registry = Registry(path)
    assert registry.quarantined is not None
    assert reap.reap(registry, SECRET, None) == []
    registry.close()


def test_a_schema_that_is_no_text(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE process", b"CREATE TABLE proces\xc1"))
    registry = Registry(path)
    assert registry.quarantined is not None
    registry.close()


def test_an_index_that_does_not_agree_with_its_table(path: Path) -> None:
    data = path.read_bytes()
    at = data.rindex(b"a-1")  # the index is the last page
    path.write_bytes(data[:at] + b"b" + data[at + 1 :])
    registry = Registry(path)
    assert registry.quarantined is not None
    registry.close()


def test_a_file_that_cannot_be_written_saves_no_orphan(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(path)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(registry, "forget", fail)
    assert reap.reap(registry, SECRET, None) == []
    registry.close()
