"""A fake server in directories of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.client.fake import Fake

_OURS = (
    "SNAKEPIT_INSTANCE",
    "SNAKEPIT_POOL",
    "SNAKEPIT_SESSION",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
    "CLICOLOR",
)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Directories for instances, where nothing runs. Not tmp_path: a socket path has to be short."""
    folder = Path(tempfile.mkdtemp(prefix="sp-"))
    monkeypatch.setenv("SNAKEPIT_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.setenv("SNAKEPIT_STATE_DIR", str(folder / "state"))
    for name in _OURS:
        monkeypatch.delenv(name, raising=False)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def fake(places: Path) -> Iterator[Fake]:
    server = Fake(places / "run" / "default")
    yield server
    server.close()
