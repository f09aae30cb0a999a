"""Fixtures: a gateway, and workers that are gone afterwards whatever happens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import inherited
from tests.unit.bridge.processes import ADAPTER, BRIDGE, WorkerProcess

if str(BRIDGE) not in sys.path:
    sys.path.insert(0, str(BRIDGE))

from tests.unit.bridge.gateway import Attached, Gateway

inherited.forget()

Start = Callable[..., WorkerProcess]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(tmp_path / "g.sock")
    yield one
    one.stop()


@pytest.fixture
def start(gateway: Gateway, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker for the gateway."""
    started: list[WorkerProcess] = []

    def launch(adapter: str = f"{ADAPTER}:Sample", **env: str) -> WorkerProcess:
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(WorkerProcess(gateway.address, log, adapter, tmp_path, **env))
        return started[-1]

    yield launch
    for one in started:
        one.close()


@pytest.fixture
def worker(start: Start, gateway: Gateway) -> Attached:
    """The sample adapter, attached."""
    start()
    return gateway.next()
