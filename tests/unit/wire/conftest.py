"""A gateway for workers of any transport."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.wire.host import Gateway


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(str(tmp_path / "g.sock"))
    yield one
    one.close()
