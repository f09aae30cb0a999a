"""Nothing blocks the server's event loop: with PYTHONASYNCIODEBUG it logs each callback that takes more than 50 ms."""

from __future__ import annotations

import re

from tests.e2e.conftest import PUPPETS
from tests.harness import wait
from tests.harness.pit import Pit

ATTEMPTS = 3
"""A loaded machine may stop any callback for a while; what blocks does so each time."""
SLOW = re.compile(r"Executing <(?P<what>.*)> took [0-9.]+ seconds")
CONFIG = f"""
[pools.default]
size = 2
[pools.default.limits]
silence_timeout = "400ms"
max_memory = 100000
[pools.streamer]
adapter = "{PUPPETS}/streamer.py"
size = 1
[pools.filter]
adapter = "exec:cat"
size = 1
"""


def test_no_callback_blocks_the_event_loop() -> None:
    found: list[str] = []
    for _ in range(ATTEMPTS):
        with Pit(CONFIG, PYTHONASYNCIODEBUG="1") as pit:
            everything(pit)
            log = pit.log("server")
        found = [match["what"] for match in SLOW.finditer(log)]
        if not found:
            return
    raise AssertionError(f"callbacks took more than 50 ms: {found}")


def everything(pit: Pit) -> None:
    pit.run("up")
    pit.run("exec", "ping")
    pit.run("exec", "line", "item=x", "--pool", "filter")
    name = pit.run("stream", "count", "n:=20000", "--pool", "streamer", "--detach").stdout.strip()
    pit.run("wait", name)
    assert pit.run("tail", name).stdout.count("\n") == 20_000
    pit.run("map", "echo", "--lines", input="x\n" * 5000)
    pit.run("workers")
    pit.run("commands")
    pit.run("scale", "default", "3")
    wait.until(lambda: pit.pool()["ready"] == 3, "three workers")
    pit.run("restart")
    pit.run("down", "default")
