"""Many calls of one client outstanding, against real workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from snakepit_cli.client.many.calls import Calls
from snakepit_cli.client.many.pending import Pending
from snakepit_cli.core.pace import DEEPEST
from tests.harness.pit import Pit

ADAPTER = """
import os, time
from snakepit_bridge import BaseAdapter

class Many(BaseAdapter):
    def execute_double(self, n: int) -> int:
        if n == -2:
            raise KeyError("not this one")
        return 2 * n

    def execute_note(self, n: int, path: str, deadly: int = -1, sleepy: int = -1) -> int:
        with open(path, "a") as file:
            file.write(f"{n}\\n")
        if n == deadly:
            os.kill(os.getpid(), 9)
        if n == sleepy:
            time.sleep(600)
        return n
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        one.adapter(ADAPTER)
        one.run("up", "many", "--adapter", "adapter.py:Many", "--size", "2")
        yield one


@contextmanager
def calls_of(pit: Pit) -> Iterator[Calls]:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(f"{pit.env['SNAKEPIT_RUNTIME_DIR']}/default/front.sock")
    with Calls(sock) as calls:
        yield calls


def double(calls: Calls, n: int, timeout: float | None = None) -> Pending:
    return calls.submit("double", b'{"n":%d}' % n, pool="many", timeout=timeout)


def test_ten_thousand_calls_each_with_its_own_answer(pit: Pit) -> None:
    with calls_of(pit) as calls:
        pending = [double(calls, -2 if n % 100 == 7 else n) for n in range(10_000)]
        for n, call in enumerate(pending):
            found = call.error(60)
            if n % 100 == 7:
                assert found is not None
                assert (found.kind, found.detail["type"]) == ("command_failed", "KeyError")
                assert "not this one" in found.message
                assert "execute_double" in found.detail["traceback"]
            else:
                assert call.result() == b"%d" % (2 * n)


def test_arguments_that_do_not_fit_fail_alone(pit: Pit) -> None:
    with calls_of(pit) as calls:
        good = [double(calls, n) for n in range(500)]
        bad = [calls.submit("double", args, pool="many") for args in (b'{"n":"x"}', b"{oops", b"{}", b"[1]")]
        good += [double(calls, n) for n in range(500)]
        for call in bad:
            found = call.error(60)
            assert found is not None
            assert found.kind == "invalid_arguments"
        assert all(call.error(60) is None for call in good)


def test_threads(pit: Pit) -> None:
    wrong: list[object] = []

    def work(calls: Calls, base: int) -> None:
        for start in range(base, base + 1000, 50):
            pending = [double(calls, n, timeout=60) for n in range(start, start + 50)]
            wrong.extend(n for n, call in enumerate(pending, start) if call.result(60) != b"%d" % (2 * n))

    with calls_of(pit) as calls:
        threads = [threading.Thread(target=work, args=(calls, base)) for base in range(0, 8000, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def note(calls: Calls, path: str, n: int, timeout: float | None = None, **more: int) -> Pending:
    return calls.submit("note", json.dumps({"n": n, "path": path, **more}).encode(), pool="many", timeout=timeout)


def test_a_worker_that_dies_fails_its_call_alone_and_none_runs_twice(pit: Pit) -> None:
    path = str(pit.work / "noted")
    with calls_of(pit) as calls:
        pending = [note(calls, path, n, deadly=1500) for n in range(3000)]
        errors = {n: found.kind for n, call in enumerate(pending) if (found := call.error(60)) is not None}
    # Calls that were sent alone may have been on their way to the same worker: they have the same error, no other has.
    assert errors.pop(1500) == "worker_crashed"
    assert set(errors.values()) <= {"worker_crashed"}
    assert len(errors) < DEEPEST
    noted = [int(line) for line in Path(path).read_text().split()]
    assert len(noted) == len(set(noted))
    assert set(range(3000)) - errors.keys() <= set(noted)


def test_a_call_that_takes_too_long_ends_by_its_own_deadline(pit: Pit) -> None:
    path = str(pit.work / "slept")
    with calls_of(pit) as calls:
        before = [note(calls, path, n) for n in range(1000)]
        late = note(calls, path, 5000, timeout=0.3, sleepy=5000)
        after = [note(calls, path, n) for n in range(1000, 2000)]
        found = late.error(60)
        assert found is not None
        assert found.kind in {"worker_timeout", "queue_timeout"}
        assert all(call.error(60) is None for call in (*before, *after))


def test_the_server_is_killed(pit: Pit) -> None:
    with calls_of(pit) as calls:
        pending = [double(calls, n) for n in range(5000)]
        os.kill(pit.status()["server"]["pid"], signal.SIGKILL)
        errors = {found.kind for call in pending if (found := call.error(60)) is not None}
        assert errors <= {"server_restarted"}
    pit.until_pool("the pool to be back", "many", ready=2)
    with calls_of(pit) as calls:
        assert double(calls, 4).result(60) == b"8"


def test_what_the_configuration_checks_is_checked_of_each_call() -> None:
    config = """
[adapters.adder]
executable = "jq"
args = ["-c", "--unbuffered", "{sum: (.a + .b)}"]
dialect = "lines"
commands = ["json"]
required = { json = ["a", "b"] }
[adapters.adder.schemas.json.properties.a]
maximum = 10
[pools.default]
adapter = "adder"
size = 1
"""
    with Pit(config) as pit:
        pit.run("up")
        with calls_of(pit) as calls:
            pending = [calls.submit("json", b'{"a":%d,"b":1}' % (n % 20)) for n in range(300)]
            for n, call in enumerate(pending):
                found = call.error(60)
                if n % 20 <= 10:
                    assert json.loads(call.result()) == {"sum": n % 20 + 1}
                else:
                    assert found is not None
                    assert (found.kind, "alone" in found.detail) == ("invalid_arguments", False)
