from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.kit import Store


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Store.opened:
        Store.opened.pop().db.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)
