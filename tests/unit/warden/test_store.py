"""The registry file: what is bound is there after any crash, what is corrupt is set aside."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.records.store import Registry

HERE = Identity("boot", 1, 100, 200)


def names(path: Path) -> dict[str, Identity | None]:
    registry = Registry(path)
    found = {record.id: record.identity for record in registry.records()}
    registry.close()
    return found


def test_reserved_then_bound_then_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    registry = Registry(path)
    registry.reserve("run", "worker", ["a-1", "a-2"])
    assert {record.id: record.identity for record in registry.records()} == {"a-1": None, "a-2": None}
    registry.bind([("a-1", HERE), ("a-2", HERE)])
    registry.forget(["a-1"])
    registry.close()
    assert names(path) == {"a-2": HERE}


def test_only_one_may_open_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry.db")
    registry.reserve("run", "worker", ["a-1"])
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Registry(tmp_path / "registry.db")
    registry.close()


def test_it_is_durable_and_needs_no_shared_memory(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry.db")
    database = registry._db
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA locking_mode").fetchone() == ("exclusive",)
    assert not (tmp_path / "registry.db-shm").exists()
    registry.close()


WRITER = """
import sys
from pathlib import Path
from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.records.store import Registry
registry = Registry(Path(sys.argv[1]))
for n in range(1_000_000):
    registry.reserve("run", "worker", [f"w-{n}"])
    registry.bind([(f"w-{n}", Identity("boot", 1, n, n))])
    print(n, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_what_was_bound_survives_a_kill_at_any_instant(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "registry.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(acknowledged):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            last = int(line)
    found = names(path)
    for n in range(last + 1):
        assert found[f"w-{n}"] == Identity("boot", 1, n, n)


def mutations() -> list[tuple[str, bytes]]:
    seed = random.Random(7)
    noise = bytes(seed.randrange(256) for _ in range(4096))
    return [("empty header", b"\0" * 4096), ("noise", noise), ("text", b"not a database\n" * 100)]


@pytest.mark.parametrize(("name", "content"), mutations(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_corrupt_file_is_set_aside_not_deleted(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(content)
    registry = Registry(path)
    assert registry.quarantined is not None
    assert registry.quarantined.read_bytes() == content
    assert list(registry.records()) == []
    registry.close()
    assert names(path) == {}


def test_a_directory_in_its_place_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.mkdir()
    registry = Registry(path)
    assert registry.quarantined is not None
    assert registry.quarantined.is_dir()
    registry.close()


def test_a_table_of_another_shape_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE process (something TEXT)")
    other.close()
    registry = Registry(path)
    assert registry.quarantined is not None
    registry.close()
