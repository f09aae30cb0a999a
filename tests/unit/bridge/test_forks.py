"""A handler that forks: the worker answers once, whatever its child does, and goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Gateway
from tests.unit.bridge.test_worker_blocks import answers, begin

ADAPTER = Path(__file__).parent / "adapters" / "forking.py"
STATUS = {"exit": 3, "raise": 1, "return": 0}


@pytest.mark.parametrize("cls", ["Plain", "Asynchronous", "AtTheStart"])
def test_the_child_of_a_handler_leaves_without_a_word(start: Start, gateway: Gateway, cls: str) -> None:
    process = start(f"{ADAPTER}:{cls}")
    worker = gateway.next()
    pid = process.process.pid
    for how, status in STATUS.items():
        args = json.dumps({"how": how}).encode()
        assert json.loads(worker.value("split", args)) == status
        assert answers(worker, begin(worker, "split", [b"1", b"2", b"3"], args)) == [status] * 3
        assert json.loads(worker.value("pid")) == pid
    assert json.loads(worker.value("chunks")) == ["first", 0]
    stream = worker.call("chunks", stream=True)
    worker.result(stream)
    assert worker.lines[stream] == b'"first"\n0\n'
    assert json.loads(worker.value("pid")) == pid
    assert "in the child" in process.log


def test_what_forks_within_libraries_goes_on_as_it_did(start: Start, gateway: Gateway) -> None:
    start(f"{ADAPTER}:Plain")
    worker = gateway.next()
    assert json.loads(worker.value("terminal")) == 1
    assert json.loads(worker.value("terminated")) == -15, "a child has the default answer to SIGTERM"
    assert json.loads(worker.value("pooled")) == [1, 2, 3]
    assert json.loads(worker.value("prepared")) == 0
