"""Many at once: first commands, and ten times more calls than a pool that loses a worker every 100 ms can take."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections import Counter

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire import front
from tests.crash import load
from tests.crash.oracle import Oracle
from tests.harness import procs

_COMMANDS = 64
_CLIENTS = 40
_CALLS = 50
_SECONDS = 8.0
"""Nobody begins another call later than that: a pool that loses its workers all the time starts new ones ever later."""
_EVERY = 0.1
_CONFIG = "[pools.default]\nadapter = {adapter!r}\nsize = 4\n[limits]\nqueue_size = {queue}\nqueue_timeout = 1.0\n"
_EXPECTED = {"worker_crashed", "pool_saturated", "queue_timeout", "pool_unavailable", "worker_timeout"}


def first_commands(oracle: Oracle) -> None:
    """Sixty-four first commands at once: one warden, sixty-four answers."""
    calls = [oracle.start("exec", "ping", "--timeout", "60") for _ in range(_COMMANDS)]
    outs = [_out(call) for call in calls]
    if bad := Counter(call.returncode for call in calls if call.returncode):
        oracle.fail(f"not answered, by exit code: {dict(bad)}")
    if missing := sum("pong" not in out for out in outs):
        oracle.fail(f"{missing} answers are missing")
    log = (oracle.state / "logs" / "warden.log").read_text()
    if (wardens := log.count("warden started")) != 1:
        oracle.fail(f"{wardens} wardens were started")
    oracle.count("answers", len(outs) - missing)


def _out(call: subprocess.Popen[str]) -> str:
    try:
        return call.communicate(timeout=80)[0]
    except subprocess.TimeoutExpired:
        call.kill()
        return call.communicate()[0]


class _Counting(load.api.Connection):
    """Counts every frame that ends a request, also when no client waits for it."""

    def __init__(self) -> None:
        super().__init__(load.connect.connect("default", start=False))
        self.ends: Counter[int] = Counter()

    def _frame(self) -> tuple[int, int, bytes]:
        kind, about, body = super()._frame()
        if kind in {front.RESULT, front.ERROR}:
            self.ends[about] += 1
        return kind, about, body


def overload(oracle: Oracle) -> None:
    """Ten times what the pool takes, a worker killed every 100 ms: each call ends once, well or with a named error."""
    load.adapters(oracle)
    queue = 1000 if oracle.seed % 2 else 16  # most calls wait and are answered, or most are refused
    oracle.configure(_CONFIG.format(adapter=str(oracle.work / "keeper.py"), queue=queue))
    oracle.run("up")
    over = threading.Event()
    killer = threading.Thread(target=_kill_workers, args=(oracle, over))
    clients = [threading.Thread(target=_client, args=(oracle, number)) for number in range(_CLIENTS)]
    for thread in (killer, *clients):
        thread.start()
    for thread in clients:
        thread.join(100)
    over.set()
    killer.join(20)
    if hanging := sum(thread.is_alive() for thread in clients):
        oracle.fail(f"{hanging} clients hang")
    oracle.run("up", "--timeout", "20")
    oracle.run("exec", "ping")
    oracle.check_witnesses()


def _client(oracle: Oracle, number: int) -> None:
    until = time.monotonic() + _SECONDS
    with _Counting() as one:
        calls = 0
        while calls < _CALLS and time.monotonic() < until:
            value = number * _CALLS + calls
            calls += 1
            oracle.count("calls")
            try:
                answer = one.call("slowly", b'{"value": %d}' % value, timeout=10.0)
            except PitError as error:
                oracle.count(error.kind)
                if error.kind not in _EXPECTED:
                    oracle.fail(f"{error.kind}: {error.message}")
            else:
                oracle.count("results")
                if answer != b"%d" % value:
                    oracle.fail(f"call {value} got the answer {answer[:50]!r}")
        with contextlib.suppress(PitError):
            one.query("ping")  # whatever was sent too much comes before this answer
        if len(one.ends) != calls + 1 or set(one.ends.values()) != {1}:
            oracle.fail(f"{calls} calls, {len(one.ends) - 1} ended, {max(one.ends.values())} times at most")


def _kill_workers(oracle: Oracle, over: threading.Event) -> None:
    with load.connection() as one:
        while not over.wait(_EVERY):
            alive = [worker["pid"] for worker in load.api.workers(one) if worker.get("pid")]
            if alive:
                procs.kill(oracle.random.choice(alive))
                oracle.count("workers killed")
