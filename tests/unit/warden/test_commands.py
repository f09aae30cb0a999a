"""What is in the way of a start or a reap is named; the way down stays open."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.warden import commands
from snakepit_cli.warden.burial import reap
from snakepit_cli.warden.records.paths import Places


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of the instance. A warden leaves the directory that it was started in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNAKEPIT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SNAKEPIT_RUNTIME_DIR", str(tmp_path / "run"))
    return Places.of("default").state


@pytest.fixture(autouse=True)
def _registries_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As by the end of the process, which a start that fails comes to."""
    opened: list[Any] = []
    real = commands._registry

    def registry(places: Places) -> Any:
        opened.append(real(places))
        return opened[-1]

    monkeypatch.setattr(commands, "_registry", registry)
    yield
    for one in opened:
        one._db.close()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["warden", *arguments, "--instance", "default"])
    return commands.main()


def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a warden that cannot start tells its client. It never gets as far as to serve."""

    def detach(_: Places) -> None:
        pass

    monkeypatch.setattr(commands, "_detach", detach)
    monkeypatch.setattr(os, "umask", lambda _: 0o077)
    read, write = os.pipe()
    with open(read) as said:
        assert run(monkeypatch, "run", "--ready-fd", str(write)) == 73
        found: dict[str, Any] = json.loads(said.read())["error"]
    return found


def test_a_cookie_that_is_a_directory_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (state / "cookie").mkdir()
    error = started(monkeypatch)
    assert error["kind"] == "unsafe_directory"
    assert f"{state}/cookie: " in error["message"]


def test_a_file_that_may_not_grow_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `ulimit -f 0`."""

    def write_text(*_: object) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    class Warden:
        def __init__(self, places: Places, *_: object, **__: object) -> None:
            self.places = places

        def run(self) -> None:
            self.places.publish({})

    monkeypatch.setattr(commands.daemon, "Warden", Warden)
    monkeypatch.setattr(Path, "write_text", write_text)
    error = started(monkeypatch)
    assert error["kind"] == "unsafe_directory"
    assert f"{state}/endpoint.new: File too large" in error["message"]


def test_the_reaper_does_without_a_cookie(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "cookie").mkdir()
    assert run(monkeypatch, "reap") == 0
    assert json.loads(capsys.readouterr().out) == {"orphans": []}


@pytest.mark.parametrize(
    "put", [os.mkfifo, lambda path: path.write_bytes(b"\xff" * 32), lambda path: path.write_text("")],
    ids=["fifo", "binary", "empty"],
)  # fmt: skip
def test_a_cookie_that_is_none_is_replaced(put: Callable[[Path], object], tmp_path: Path) -> None:
    def overdue(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, overdue)
    signal.alarm(10)
    try:
        put(tmp_path / "cookie")
        assert len(reap.cookie(tmp_path)) == 32
        assert reap.cookie(tmp_path) == reap.cookie(tmp_path)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
