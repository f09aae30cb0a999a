"""A configuration that is no file: the server does not wait for it, and says what is wrong."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.settings.load import load
from snakepit_cli.settings.schema import Settings


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


KINDS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "directory": os.mkdir,
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configuration. Waiting without end fails."""
    chosen = tmp_path / "config.toml"
    monkeypatch.setenv("SNAKEPIT_CONFIG", str(chosen))

    def overdue(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, overdue)
    signal.alarm(10)
    yield chosen
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", KINDS)
def test_is_refused_by_name(kind: str, path: Path) -> None:
    KINDS[kind](path)
    with pytest.raises(PitError) as caught:
        load()
    assert caught.value.kind == "invalid_configuration"
    assert caught.value.message.startswith(f"{path}: ")
    if kind in {"fifo", "endless device"}:
        assert "must be a regular file" in caught.value.message


def test_the_null_device_is_an_empty_file(path: Path) -> None:
    path.symlink_to(os.devnull)
    assert load() == Settings()
