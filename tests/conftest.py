"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.pit import Pit


@pytest.fixture
def pit() -> Iterator[Pit]:
    """An instance where nothing runs yet, and of which nothing is left afterwards."""
    with Pit() as one:
        yield one
