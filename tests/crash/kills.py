"""kill -9 at a random instant under load."""

from __future__ import annotations

import os
import signal
import time

from snakepit_cli.base import identity as ident
from tests.crash import load
from tests.crash.oracle import Oracle
from tests.harness import machine, procs, wait

_LONGEST = 1.5
_SOON = 1000.0
_AT_ONCE = 100.0


def _at_a_random_moment(oracle: Oracle) -> None:
    time.sleep(oracle.random.uniform(0.0, _LONGEST))


def _next_call(oracle: Oracle) -> None:
    began = time.monotonic()
    with load.connection() as one:
        one.call("ping", timeout=20.0)
    took = (time.monotonic() - began) * 1000
    oracle.figures["next call"] = max(took, oracle.figures.get("next call", 0.0))
    if machine.too_late(took, _SOON):
        oracle.fail(f"the next call took {took:.0f} ms")


def kill_server(oracle: Oracle) -> None:
    """The server is killed under load: its workers stay, with their state, and the next call takes at most 1 s."""
    _kill_server(oracle, 1)


def server_state(oracle: Oracle) -> None:
    """The server is killed three times under load: four warm workers keep what they know."""
    _kill_server(oracle, 3)


def _kill_server(oracle: Oracle, times: int) -> None:
    load.up(oracle)
    kept = _keep(oracle)
    before = {worker["pid"] for worker in oracle.json("workers")}
    with load.Load(oracle):
        for _ in range(times):
            server = oracle.json("status")["server"]["pid"]
            _at_a_random_moment(oracle)
            procs.kill(server)
            _next_call(oracle)
    wait.until(lambda: all(pool["ready"] == pool["size"] for pool in oracle.json("status")["pools"]), "whole pools")
    after = {worker["pid"] for worker in oracle.json("workers")}
    if after != before:
        oracle.fail(f"{len(before - after)} workers lost, {len(after - before)} started")
    for name, wanted in kept.items():
        if (found := oracle.json("exec", "kept", f"name={name}", "--session", name)) != wanted:
            oracle.fail(f"session {name} has {found}, not {wanted}")
    oracle.check_witnesses()


def _keep(oracle: Oracle) -> dict[str, dict[str, int]]:
    """Gives each of four workers a session and something to remember: session → which worker has what."""
    values = {f"s{number}": oracle.random.randrange(1 << 30) for number in range(4)}
    calls = {
        name: oracle.start("exec", "keep", f"name={name}", f"value:={value}", "--session", name)
        for name, value in values.items()
    }
    pids = {name: int(call.communicate(timeout=30)[0]) for name, call in calls.items()}
    if len(set(pids.values())) != len(values):
        oracle.fail(f"{len(set(pids.values()))} workers took the four sessions")
    return {name: {"pid": pids[name], "value": value} for name, value in values.items()}


def _kill(oracle: Oracle, *roles: str) -> None:
    load.up(oracle)
    workers = [worker["pid"] for worker in oracle.json("workers")]
    status = oracle.json("status")
    pids = {role: status[role]["pid"] for role in ("server", "warden")}
    above = ident.stat(pids["warden"])
    pids["keeper"] = above.ppid if above else 0
    with load.Load(oracle) as running:
        # It can see no lifeline any more: only the kernel can end it.
        os.kill(oracle.random.choice(workers), signal.SIGSTOP)
        if oracle.random.random() < 0.5:  # some are being born at that moment
            oracle.run("up", "cold", "--size", "4", "--no-wait")
            oracle.run("up", "--size", "8", "--no-wait")
        _at_a_random_moment(oracle)
        running.stop()
        for role in oracle.random.sample(roles, len(roles)):
            procs.kill(pids[role])
        oracle.until_no_process("everything gone")
    if oracle.figures.get("everything gone", 0.0) > _AT_ONCE:
        oracle.count("slower than 100 ms")
    oracle.check_witnesses()
    oracle.run("exec", "ping", "--timeout", "20")
    oracle.check_registry()


def kill_warden(oracle: Oracle) -> None:
    """The warden is killed under load: everything goes with it at once, and the next command starts anew."""
    _kill(oracle, "warden")


def kill_both(oracle: Oracle) -> None:
    """Server, warden and keeper are killed under load, in any order: the kernel ends the rest."""
    _kill(oracle, "server", "warden", "keeper")


_ITEMS = 1_000_000
SPINNER = """
class Spinner:
    def execute_spin(self, item):
        n = item
        for _ in range(100):
            n += 1
        return n
"""


def map_kills(oracle: Oracle) -> None:
    """A worker is killed every second during a map of a million items: each has one answer, and it is its own."""
    (oracle.work / "spinner.py").write_text(SPINNER)
    oracle.configure(f'[pools.default]\nadapter = "{oracle.work}/spinner.py"\nsize = 4\n')
    oracle.run("up")
    source = oracle.work / "in.jsonl"
    source.write_text("".join(f"{n}\n" for n in range(_ITEMS)))
    kills = 0
    where = ("--input", "in.jsonl", "--output", "out.jsonl", "--retries", "9")
    with oracle.start("map", "spin", *where) as run:
        while run.poll() is None:
            begun = time.monotonic()
            victim = oracle.random.choice(oracle.json("workers"))
            procs.kill(victim["pid"])
            kills += 1
            while run.poll() is None and time.monotonic() - begun < 1.0:
                time.sleep(0.01)
        if run.wait():
            oracle.fail(f"map has exited with {run.returncode}")
    oracle.count("kills", kills)
    with (oracle.work / "out.jsonl").open() as answers:
        for n, line in enumerate(answers):
            if int(line) != n + 100:
                oracle.fail(f"line {n + 1} is {line!r}")
                break
        else:
            if n + 1 != _ITEMS:
                oracle.fail(f"{n + 1} answers")
