"""State on a network file system: found out, put elsewhere, and said so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snakepit_cli.base import mounts, paths
from tests.harness.pit import Pit

TABLE = """\
20 1 0:1 / / rw - ext4 /dev/sda rw
21 20 0:2 / {home} rw - nfs4 server:/home rw
22 20 0:3 / {home}/local rw - ext4 /dev/sdb rw
23 20 0:4 / {home}/a\\040b rw shared:1 - fuse.sshfs x rw
24 20 0:5 / {home}/twice rw - nfs x rw
25 20 0:6 / {home}/twice rw - tmpfs x rw
26 20 garbage
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.format(home=tmp_path / "home"))
    monkeypatch.setattr(mounts, "MOUNTINFO", str(table))
    for name in ("local", "a b", "twice"):
        (tmp_path / "home" / name).mkdir(parents=True)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("below", "kind"),
    [("", "nfs4"), ("x/y", "nfs4"), ("local", None), ("local/x", None), ("localx", "nfs4"), ("a b/x", "fuse.sshfs"),
     ("twice/x", None), ("../elsewhere", None)],
)  # fmt: skip
def test_the_kind_of_the_mount_that_holds_a_path(home: Path, below: str, kind: str | None) -> None:
    assert mounts.remote(str(home / below)) == kind


def test_a_link_is_followed(home: Path) -> None:
    (home / "local" / "link").symlink_to(home / "a b")
    assert mounts.remote(str(home / "local" / "link" / "x")) == "fuse.sshfs"


def test_without_proc_nobody_knows(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "MOUNTINFO", "/none")
    assert mounts.remote(str(home)) is None


def test_the_state_goes_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEPIT_STATE_DIR", str(home / "state"))
    assert paths.state_dir("i") == f"/var/tmp/snakepit-{os.geteuid()}/state/i"
    assert f"{home / 'state'} is on nfs4" in str(paths.displaced())
    monkeypatch.setenv("SNAKEPIT_STATE_DIR", str(home / "local"))
    assert (paths.state_dir("i"), paths.displaced()) == (f"{home}/local/i", None)


def test_it_is_announced_and_works(tmp_path: Path) -> None:
    """Every process of the instance is told of another table of mounts."""
    with Pit("[pools.default]\nsize = 1\n") as pit:
        wanted = pit.env["SNAKEPIT_STATE_DIR"]
        (tmp_path / "mountinfo").write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {pit.folder} rw - nfs x rw\n")
        (tmp_path / "sitecustomize.py").write_text(
            f"from snakepit_cli.base import mounts\nmounts.MOUNTINFO = {str(tmp_path / 'mountinfo')!r}\n"
        )
        pit.env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        pit.env["SNAKEPIT_INSTANCE"] = f"nfs{os.getpid()}"
        done = pit.run("exec", "ping")
        assert f"{wanted} is on nfs, where locks cannot be relied on" in done.stderr
        assert pit.run("exec", "ping").stderr == ""
        status = pit.json("status", "--json")
        assert status["state_directory"].startswith("/var/tmp/snakepit-")
        assert "is on nfs" in pit.run("status").stdout
        pit.run("down")
        for path in sorted(Path(status["state_directory"]).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for path in (state := Path(status["state_directory"]), state.parent, state.parent.parent):
            path.rmdir()
