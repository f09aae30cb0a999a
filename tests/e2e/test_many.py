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
from typing import Any

import pytest

from snakepit_cli.base import shared_memory
from snakepit_cli.client import values
from snakepit_cli.client.many.calls import Calls
from snakepit_cli.client.many.pending import Pending
from snakepit_cli.core.pace import DEEPEST
from tests.harness import wait
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


LONG = """
import os, time

def length(data, deadly=False, sleepy=False):
    if deadly:
        os.kill(os.getpid(), 9)
    if sleepy:
        time.sleep(600)
    return memoryview(data).nbytes

def first(data):
    return bytes(data)[:8].decode()
"""


def long_args(data: bytes, **more: Any) -> bytes:
    return b"".join(values.encode({"data": data, **more}))


def long_pit(config: str = "") -> Pit:
    pit = Pit(config)
    pit.run("up", "--adapter", pit.adapter(LONG), "--size", "2")
    return pit


def segments_of(pit: Pit) -> list[str]:
    """Those of clients."""
    folder = shared_memory.folder(
        (pit.folder / "state/default/cookie").read_text().strip(), f"{pit.folder}/run/default"
    )
    return [name for name in os.listdir(folder) if name.startswith("client")]


@pytest.mark.parametrize(
    "config", ["", "[server]\nshared_memory_bytes = 4000000\n", "[server]\nshared_memory_bytes = 0\n"]
)
def test_long_arguments_of_many_threads_each_with_its_own_answer(config: str) -> None:
    wrong: list[object] = []

    def work(calls: Calls, base: int) -> None:
        data = [b"%08d" % n + bytes(200_000 + n) for n in range(base, base + 40)]
        pending = [calls.submit("first", long_args(one), timeout=60) for one in data]
        wrong.extend(n for n, call in enumerate(pending, base) if call.result(60) != b'"%08d"' % n)

    with long_pit(config) as pit, calls_of(pit) as calls:
        threads = [threading.Thread(target=work, args=(calls, base)) for base in range(0, 160, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert wrong == []
        calls.close()
        wait.until(lambda: not segments_of(pit), "the segments to go")


def test_arguments_that_no_message_holds_wait_for_room() -> None:
    with (
        long_pit("[server]\nshared_memory_bytes = 40000000\nmax_message_bytes = 1000000\n") as pit,
        calls_of(pit) as calls,
    ):
        pending = [calls.submit("length", long_args(bytes(10_000_000))) for _ in range(6)]
        assert [call.result(60) for call in pending] == [b"10000000"] * 6
        found = calls.submit("length", long_args(bytes(41_000_000))).error(60)
        assert found is not None
        assert (found.kind, "1,000,000 are allowed" in found.message) == ("invalid_arguments", True)
        with pit.connection() as greedy:
            assert greedy.query("segments", bytes=25_000_000)["bytes"] == 25_000_000
            late = calls.submit("length", long_args(bytes(20_000_000)), timeout=0.5)
            found = late.error(60)
            assert found is not None
            assert found.kind == "queue_timeout"
            waits = calls.submit("length", long_args(bytes(20_000_000)), timeout=60)
            greedy.close()
            assert waits.result(60) == b"20000000"


def test_a_worker_dies_with_long_arguments_and_calls_are_cancelled() -> None:
    with long_pit() as pit, calls_of(pit) as calls:
        data = bytes(2_000_000)
        deadly = calls.submit("length", long_args(data, deadly=True))
        found = deadly.error(60)
        assert found is not None
        assert found.kind == "worker_crashed"
        sleepy = [calls.submit("length", long_args(data, sleepy=True)) for _ in range(2)]
        wait.until(lambda: len([w for w in pit.json("workers") if w["state"] == "busy"]) == 2, "both to run")
        assert all(call.cancel() for call in sleepy)
        assert calls.submit("length", long_args(data), timeout=60).result(60) == b"2000000"
        rest = [calls.submit("length", long_args(data, sleepy=True)) for _ in range(9)]
        calls.close()
        assert {found.kind for call in rest if (found := call.error(20)) is not None} == {"cancelled"}
        wait.until(lambda: not segments_of(pit), "the segments to go")


def test_programs_get_long_arguments_as_bytes() -> None:
    with Pit() as pit:
        pit.run("up", "--adapter", "exec:cat", "--size", "1")
        with calls_of(pit) as calls:
            args = json.dumps({"item": "x" * 300_000}).encode()
            pending = [calls.submit("line", args) for _ in range(5)]
            assert {call.result(60) for call in pending} == {json.dumps("x" * 300_000).encode()}
