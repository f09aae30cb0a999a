"""Fixtures for all tests, and in which order and where they run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.harness import inherited
from tests.harness.pit import Pit

inherited.forget()

# How fast a test runs says something about the machine only.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("seeded", settings.get_profile("untimed"), derandomize=True)
settings.load_profile("seeded" if "TESTS_SEED" in os.environ else "untimed")

FIRST = ("tests/crash", "tests/contract", "tests/test_docs.py", "tests/test_benchmarks.py", "tests/e2e", "tests/field")
"""What takes longest, so that only short modules are left when the first test process has nothing to do any more."""
APART = ("tests/crash",)
"""Where tests share nothing, and need not run in the same process as the rest of their module."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((n for n, path in enumerate(FIRST) if item.nodeid.startswith(path)), len(FIRST))

    items.sort(key=rank)


class Places:
    """The plugin that is only there with xdist."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> object:
        """A module's tests run in one process, so that what they share is built once."""
        from xdist.scheduler import LoadFileScheduling

        class Scheduling(LoadFileScheduling):
            def _split_scope(self, nodeid: str) -> str:
                return nodeid if nodeid.startswith(APART) else super()._split_scope(nodeid)

        return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Places())


@pytest.fixture
def pit() -> Iterator[Pit]:
    """An instance where nothing runs yet, and of which nothing is left afterwards."""
    with Pit() as one:
        yield one
