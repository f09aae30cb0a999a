"""What another user has put where an instance keeps its segments: never used, never cleared, and named in the log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.base import shared_memory
from tests.harness import procs, wait
from tests.harness.pit import Pit

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, which plants")
NOBODY = 65534
ADAPTER = """
def turned(data):
    return bytes(data)[::-1]
"""
DATA = b"".join(b"%09d\n" % n for n in range(300_000))
"""Enough for a reference."""
PLANTS = {
    "a directory": "os.mkdir(path, 0o700)",
    "a directory that is open to all": "os.mkdir(path); os.chmod(path, 0o777); open(path + '/lock', 'w')",
    "a symlink": "os.symlink(target, path)",
    "a file": "open(path, 'w')",
}


def as_nobody(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs code as another user, with `path` and `target`."""
    become = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
    code = f"import os, sys; {become}; path, target = sys.argv[1:]; {code}"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd="/", check=False, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip


@pytest.fixture
def pit() -> Iterator[Pit]:
    """One that has run, so that its cookie is known."""
    with Pit() as one:
        adapter = one.adapter(ADAPTER)
        one.config.write_text(f'[pools.default]\nadapter = "{one.work}/{adapter}"\nsize = 1\n')
        (one.work / "long").write_bytes(DATA)
        one.run("up")
        yield one


@pytest.fixture
def target(pit: Pit) -> Iterator[Path]:
    """Something that the other user would like to have cleared."""
    folder = pit.folder / "precious"
    folder.mkdir(mode=0o700)
    (folder / "file").write_text("precious")
    yield folder
    assert (folder / "file").read_text() == "precious"
    assert os.listdir(folder) == ["file"]


def chosen(pit: Pit) -> Path:
    return shared_memory.SHARED / shared_memory.name((pit.folder / "state/default/cookie").read_text().strip())


def plant(path: Path, target: Path, code: str) -> os.stat_result:
    done = as_nobody(code, path, target)
    assert done.returncode == 0, done.stderr
    return os.lstat(path)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for one in path.iterdir():
            one.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def check_calls(pit: Pit) -> None:
    out = pit.run("exec", "turned", "data@=long", "--raw").stdout
    assert out.removesuffix("\n") == DATA[::-1].decode().removesuffix("\n")


def check_untouched(path: Path, before: os.stat_result) -> None:
    after = os.lstat(path)
    assert (after.st_ino, after.st_uid, after.st_mode, after.st_mtime_ns) == (
        before.st_ino, NOBODY, before.st_mode, before.st_mtime_ns,
    )  # fmt: skip


def lines_about(pit: Pit, path: Path) -> list[str]:
    return [line for line in pit.log("warden").splitlines() if str(path) in line]


@pytest.mark.parametrize("code", PLANTS.values(), ids=PLANTS)
def test_before_the_start(pit: Pit, target: Path, code: str) -> None:
    path = chosen(pit)
    pit.run("down")
    before = plant(path, target, code)
    try:
        pit.run("up")
        check_calls(pit)
        segments = pit.folder / "run/default/segments"
        assert [name for name in os.listdir(segments) if name.startswith("default-")], "the worker's are there instead"
        (line,) = lines_about(pit, path)
        assert "not to you" in line or "is not a directory" in line
        assert str(segments) in line
        pit.run("down")
        assert not segments.exists()
        check_untouched(path, before)
    finally:
        remove(path)


@pytest.mark.parametrize("code", PLANTS.values(), ids=PLANTS)
def test_in_place_of_one_that_was_removed(pit: Pit, target: Path, code: str) -> None:
    """As it may be at the end of a login session, where systemd removes what its user has in shared memory."""
    path = chosen(pit)
    remove(path)
    before = plant(path, target, code)
    try:
        server = pit.status()["server"]["pid"]
        os.kill(server, signal.SIGKILL)
        wait.until(lambda: not procs.alive(server), "its end")
        check_calls(pit)
        (line,) = lines_about(pit, path)
        assert "there is no shared memory" in line
        check_calls(pit)
        pit.run("down")
        check_untouched(path, before)
    finally:
        remove(path)


def test_files_in_it(pit: Pit, target: Path) -> None:
    """Another user cannot make one there. One that is there all the same is not written to."""
    path = chosen(pit)
    done = as_nobody("open(path, 'w')", path / "client-2-1", target)
    assert "PermissionError" in done.stderr
    for number in range(1, 20):
        for name in (f"client-{number}-1", f"default-{number}-1", f"default-{number}-2"):
            if not os.path.lexists(path / name):
                (path / name).symlink_to(target / "file")
                os.lchown(path / name, NOBODY, NOBODY)
    for _ in range(3):
        check_calls(pit)
