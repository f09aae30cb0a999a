"""Directories that cannot be used or must not be trusted: refused by name, never repaired, nothing started."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import SMALL
from tests.harness import procs
from tests.harness.pit import COMMAND, Pit

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")
NOBODY = 65534


def file_instead(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not a directory")


def open_to_all(path: Path) -> None:
    path.mkdir(parents=True)
    path.chmod(0o777)


def somebody_elses(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    os.chown(path, NOBODY, NOBODY)


def symlink(path: Path) -> None:
    target = path.parent.with_name("elsewhere")
    target.mkdir(mode=0o700)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def parent_open_to_all(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    path.parent.chmod(0o777)


def parent_is_a_file(path: Path) -> None:
    file_instead(path.parent)


CASES = [
    pytest.param(file_instead, "is not a directory", id="a file"),
    pytest.param(parent_is_a_file, "", id="a file above it"),
    pytest.param(open_to_all, "chmod 700", id="open to all"),
    pytest.param(parent_open_to_all, "writable by others", id="open above it"),
    pytest.param(symlink, "is not a directory", id="a symlink"),
    pytest.param(somebody_elses, f"belongs to uid {NOBODY}", id="of another user", marks=ROOT_ONLY),
]


@pytest.mark.parametrize("place", ["run", "state"])
@pytest.mark.parametrize(("spoil", "words"), CASES)
def test_a_directory_that_cannot_be_trusted(cold: Pit, place: str, spoil: Callable[[Path], None], words: str) -> None:
    folder = cold.folder / place / "default"
    spoil(folder)
    before = os.lstat(folder) if os.path.lexists(folder) else None
    for argv in (["exec", "ping"], ["up"], ["server", "start"], ["server", "run"]):
        done = cold.run(*argv, check=False)
        assert (done.returncode, done.stdout) == (73, ""), argv
        assert words in done.stderr
        assert str(folder.parent) in done.stderr
        assert "hint: " in done.stderr
    error = cold.json("exec", "ping", check=False)["error"]
    assert (error["kind"], error["exit"]) == ("unsafe_directory", 73)
    after = os.lstat(folder) if os.path.lexists(folder) else None
    assert (before is None) == (after is None)
    if before and after:
        assert (before.st_mode, before.st_uid, before.st_ino) == (after.st_mode, after.st_uid, after.st_ino)
    assert not list(cold.folder.rglob("front.sock"))
    assert "Traceback" not in cold.log("warden")


def test_a_socket_path_that_is_too_long(cold: Pit) -> None:
    env = {**cold.env, "SNAKEPIT_RUNTIME_DIR": str(cold.folder / ("d" * 90))}
    for argv in (["exec", "ping"], ["up"], ["status"], ["down"]):
        done = cold.run(*argv, env=env, check=False)
        assert done.returncode == 73, argv
        assert "socket path too long" in done.stderr
        assert "SNAKEPIT_RUNTIME_DIR" in done.stderr
    error = json.loads(cold.run("exec", "ping", "--json", env=env, check=False).stdout)["error"]
    assert (error["kind"], error["exit"]) == ("unsafe_directory", 73)
    assert cold.processes() == []


@ROOT_ONLY
@pytest.mark.parametrize("place", ["run", "state"])
def test_a_read_only_file_system(cold: Pit, place: str) -> None:
    """Permissions do not stop root; a mount does. It is gone with its namespace."""
    folder = cold.folder / place
    folder.mkdir(mode=0o700)
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && { "$@" --json; "$@"; }'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(folder), *COMMAND, "exec", "ping"], cwd=cold.work, env=cold.env,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit"], done.returncode) == ("unsafe_directory", 73, 73)
    for text in (error["message"], done.stderr):
        assert "Read-only file system" in text
        assert str(folder) in text
    assert cold.run("exec", "ping").returncode == 0


@ROOT_ONLY
def test_a_state_directory_that_became_read_only(cold: Pit) -> None:
    """It has all files already."""
    cold.run("exec", "ping")
    cold.run("down")
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && "$@" exec ping'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(cold.folder / "state"), *COMMAND], cwd=cold.work, env=cold.env,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (73, "")
    assert "Read-only file system" in done.stderr or "cannot be written" in done.stderr


@ROOT_ONLY
def test_a_full_file_system(cold: Pit) -> None:
    """Named when it starts; the logs of one that runs are simply not written."""
    (cold.folder / "state").mkdir(mode=0o700)
    script = (
        'mount -t tmpfs -o size=64k,mode=0700 tmpfs "$0" && mkdir -m 700 "$0/default" &&'
        ' head -c 1M /dev/zero >"$0/filler"; "$@" exec ping'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(cold.folder / "state"), *COMMAND], cwd=cold.work, env=cold.env,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 73, done.stderr
    assert done.stdout == ""
    assert "No space left" in done.stderr or "full" in done.stderr


def test_sockets_that_were_left_behind_are_replaced(cold: Pit) -> None:
    cold.run("exec", "ping")
    for pid in cold.processes():
        procs.kill(pid)
    assert (cold.folder / "run" / "default" / "front.sock").exists()
    assert cold.run("exec", "ping").returncode == 0


def test_a_server_under_another_runtime_directory_is_found(cold: Pit) -> None:
    """A login and a cron job of the same user see different ones, and one instance."""
    cold.run("exec", "ping")
    env = {**cold.env, "SNAKEPIT_RUNTIME_DIR": str(cold.folder / "other")}
    before = cold.warden
    assert cold.run("exec", "ping", env=env).returncode == 0
    assert cold.warden == before
    assert "nothing is left" in cold.run("down", env=env).stderr


def test_a_missing_working_directory(warm: Pit) -> None:
    gone = warm.folder / "gone"
    gone.mkdir()
    script = 'rmdir "$0" && "$@" exec ping'
    done = subprocess.run(
        ["sh", "-c", script, str(gone), *COMMAND], cwd=gone, env=warm.env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_corrupt_registry_is_set_aside(content: bytes) -> None:
    with Pit(SMALL) as pit:
        pit.run("exec", "ping")
        pit.run("down")
        registry = pit.folder / "state" / "default" / "registry.db"
        for path in registry.parent.glob("registry.db*"):
            path.unlink()
        registry.write_bytes(content)
        assert pit.run("exec", "ping").returncode == 0
        kept = list(registry.parent.glob("registry.db.corrupt-*"))
        assert len(kept) == (1 if content else 0)
