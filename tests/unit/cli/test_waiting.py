"""Verbs that wait say what for, and after Ctrl-C what goes on."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess

import pytest

from snakepit_cli.cli.output.waiting import waiting_for
from tests.harness.screen import rendered
from tests.unit.cli.test_process import SECONDS, finish, start
from tests.unit.cli.test_verbs import POOL, STATUS
from tests.unit.client.fake import Fake, Peer

BUSY = {**POOL, "ready": 1, "running": 1, "queued": 2}
OLD = [
    {"id": "default-1", "pool": "default", "state": "draining", "running": 1},
    {"id": "default-2", "pool": "default", "state": "idle", "running": 0},
]
CASES = {
    "up": (["up"], "up", "pool default: 1/4 ready, ", "goes on starting"),
    "scale": (["scale", "default", "4"], "scale", "pool default: 1/4 ready, ", "goes on changing its size"),
    "restart": (["restart"], "replace", "0 of 2 replaced, waiting for 1 running call, ", "go on being replaced"),
    "drain": (["drain"], "drain", "waiting for 1 running and 2 queued calls, ", "until `snakepit resume default`"),
    "down": (["down", "default"], "down", "waiting for 1 running and 2 queued calls, ", "goes on stopping"),
    "server": (["server", "restart"], "restart", "waiting for 1 running and 2 queued calls, ", "restarts when"),
}


def never(_peer: Peer, _request: int, _query: object) -> None:
    pass


@pytest.fixture
def slow(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    fake.queries |= {"status": {**STATUS, "pools": [BUSY]}, "workers": OLD}
    return fake


@pytest.mark.parametrize("case", CASES)
def test_on_a_terminal(slow: Fake, case: str) -> None:
    argv, op, words, parting = CASES[case]
    slow.queries[op] = never
    main, side = pty.openpty()
    process = start(*argv, stdin=side, stdout=side, stderr=side)
    os.close(side)
    shown = until(main, words.encode())
    process.send_signal(signal.SIGINT)
    shown += until(main, None)
    os.close(main)
    assert finish(process)[0] == 130
    *lines, last, end = rendered(shown)
    assert (lines, end) == ([], ""), "only one line remains"
    assert parting in last


def until(main: int, words: bytes | None) -> bytes:
    """What is shown up to these words, or up to the end."""
    shown = b""
    while words is None or words not in shown:
        assert select.select([main], [], [], SECONDS)[0], shown
        try:
            data = os.read(main, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    return shown


def test_quiet_says_nothing(slow: Fake) -> None:
    slow.queries["drain"] = lambda peer, request, _: peer.send(0x52, request, POOL)
    process = start("drain", "-q", stderr=subprocess.PIPE)
    assert finish(process) == (0, "", "")
    assert {one["op"] for one in slow.asked} == {"drain"}


@pytest.mark.parametrize(
    ("running", "queued", "words"),
    [
        (1, 0, "1 running call"),
        (2, 0, "2 running calls"),
        (3, 1, "3 running and 1 queued call"),
        (0, 0, "the workers to end"),
    ],
)
def test_calls_are_counted(running: int, queued: int, words: str) -> None:
    assert waiting_for(running, queued) == f"waiting for {words}"
