"""Fixtures for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.pit import Pit

# A job in the background, or one of nohup, ignores these, and all that it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _ignored in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_ignored, signal.SIG_DFL)

# How fast a test runs says something about the machine only.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def pit() -> Iterator[Pit]:
    """An instance where nothing runs yet, and of which nothing is left afterwards."""
    with Pit() as one:
        yield one
