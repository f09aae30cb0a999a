"""A user id without a name or a home directory, as containers have them."""

from __future__ import annotations

import os
import pwd

import pytest

from snakepit_cli.base import paths
from snakepit_cli.settings import load
from snakepit_cli.settings.schema import Settings


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in [one for one in os.environ if one.startswith(("XDG_", "SNAKEPIT_")) or one in {"HOME", "USER"}]:
        monkeypatch.delenv(name)


def test_places_are_below_tmp() -> None:
    assert paths.state_dir("ci") == f"{paths.private_tmp()}/state/ci"
    assert paths.runtime_dir("ci") == f"{paths.private_tmp()}/ci"


@pytest.mark.parametrize("variable", ["HOME", "XDG_STATE_HOME"])
@pytest.mark.parametrize("below", ["", "/not/there/yet"])
def test_nothing_is_written_into_a_home_of_another_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str], variable: str, below: str
) -> None:
    """As with `sudo`, which may keep HOME."""
    monkeypatch.setenv(variable, f"{os.fspath(tmp_path)}{below if variable != 'HOME' else ''}")
    mine, another = paths.state_dir("ci"), os.geteuid() + 1
    assert mine.startswith(os.fspath(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: another)
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert paths.state_dir("ci") == f"{paths.private_tmp()}/state/ci"


def test_there_is_no_configuration() -> None:
    assert paths.config_file() is None
    assert load.load() == Settings()


def test_a_home_that_is_not_absolute_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "relative")
    assert paths.config_file() is None


def test_the_configuration_of_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    folder = os.path.join(tmp_path, "snakepit")
    os.mkdir(folder)
    open(f"{folder}/config.toml", "w").close()
    monkeypatch.setenv("XDG_CONFIG_HOME", os.fspath(tmp_path))
    assert paths.config_file() == f"{folder}/config.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert paths.config_file() is None
