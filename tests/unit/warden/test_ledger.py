"""The warden's account of its children survives what happens to the registry file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.records.ledger import Ledger, Row
from snakepit_cli.warden.records.store import Registry


def row(number: int) -> Row:
    return f"p-{number}", "worker", Identity("boot", 1, number, 7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    one = Ledger(Registry(path), "run", lambda _: None)
    one.register([row(1), row(2)])
    yield one
    one.close()


def after_a_crash(path: Path) -> set[str]:
    """What another process would find now."""
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal"):
        source = Path(f"{path}{suffix}")
        if source.exists():
            Path(f"{copy}{suffix}").write_bytes(source.read_bytes())
    registry = Registry(copy)
    names = {record.id for record in registry.records()}
    registry.close()
    return names


def test_a_file_that_was_removed_is_written_anew(ledger: Ledger, path: Path) -> None:
    for suffix in ("", "-wal"):
        Path(f"{path}{suffix}").unlink()
    ledger.register([row(3)])
    assert after_a_crash(path) == {"p-1", "p-2", "p-3"}


def test_a_directory_in_its_place_is_set_aside(ledger: Ledger, path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.mkdir()
    ledger.forget(["p-1"])
    ledger.register([row(3)])
    assert after_a_crash(path) == {"p-2", "p-3"}
    assert any(found.is_dir() for found in path.parent.glob("registry.db.corrupt-*"))


def test_after_an_error_of_the_disk_the_file_is_not_used_again(ledger: Ledger, path: Path) -> None:
    broken = ledger.registry._db

    class Failing:
        """The connection that has seen the error: every further use of it is a mistake, except to close it."""

        def __getattr__(self, name: str) -> object:
            if name in {"close", "rollback"}:
                return lambda: broken.close() if name == "close" else None
            raise OSError(5, "Input/output error")

    ledger.registry._db = Failing()  # type: ignore[assignment]
    ledger.register([row(3)])
    assert after_a_crash(path) == {"p-1", "p-2", "p-3"}
    assert list(path.parent.glob("registry.db.corrupt-*"))


def _fill(path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        path.write_bytes(bytes(1 << 20))


def _register_many(ledger: Ledger, numbers: range) -> None:
    for number in numbers:
        ledger.register([row(number)])


def test_a_full_disk_refuses_new_processes_and_heals(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], check=True)
    try:
        ledger = Ledger(Registry(folder / "registry.db"), "run", lambda _: None)
        ledger.register([row(1)])
        ledger.register([row(2)])
        _fill(folder / "ballast")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            _register_many(ledger, range(3, 500))
        ledger.forget(["p-2"])
        (folder / "ballast").unlink()
        ledger.register([row(1000)])
        found = after_a_crash(folder / "registry.db")
        assert {"p-1", "p-1000"} <= found
        assert "p-499" not in found
        ledger.close()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_nothing_that_goes_wrong_when_the_dead_are_forgotten_matters(ledger: Ledger) -> None:
    ledger.registry._db.close()
    ledger.forget(["p-1"])
    ledger.register([row(3)])
    assert os.path.exists(ledger.registry.path)
