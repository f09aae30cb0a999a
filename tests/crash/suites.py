"""The suites: each does something terrible to an instance and says what must be true afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.base.failpoints import POINTS
from snakepit_cli.client import api, connect
from snakepit_cli.registry import identity as ident
from snakepit_cli.registry.store import Registry
from tests.crash.oracle import Oracle
from tests.harness import procs, wait

WRITES = {"registry.opened", "warden.before-commit", "warden.after-commit"}
"""Failpoints at which the disk may fail."""
COLD = """
import os, threading, time
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
with open("witness", "a") as file:
    file.write(os.environ["SNAKEPIT_WORKER_ID"] + "\\n")

class Cold:
    def execute_ping(self):
        return "pong"
"""


def _up(oracle: Oracle) -> None:
    """Four workers from a template, two started cold."""
    (oracle.work / "cold.py").write_text(COLD)
    oracle.run("up")
    oracle.run("up", "cold", "--adapter", "cold.py", "--size", "2")


@contextlib.contextmanager
def _load(oracle: Oracle, clients: int = 3) -> Iterator[list[str]]:
    """Clients that call one after the other, until the block ends. Yields the kinds of the errors that they get."""
    errors: list[str] = []
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            try:
                with api.Connection(connect.connect("default", start=False)) as connection:
                    while not over.is_set():
                        connection.call("ping", timeout=20.0)
            except PitError as error:
                errors.append(error.kind)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
        if strange := {kind for kind in errors if kind not in KINDS or kind == "internal"}:
            oracle.fail(f"errors that nobody may see: {strange}")


def _at_a_random_moment(oracle: Oracle) -> None:
    time.sleep(oracle.random.uniform(0.0, 0.5))


def kill_server(oracle: Oracle) -> None:
    """Its workers stay as they are, and the next call is answered soon."""
    _up(oracle)
    before = {worker["pid"] for worker in oracle.json("workers")}
    with _load(oracle):
        _at_a_random_moment(oracle)
        procs.kill(oracle.json("status")["server"]["pid"])
        began = time.monotonic()
        with api.Connection(connect.connect("default", start=False)) as connection:
            connection.call("ping", timeout=20.0)
        oracle.figures["next call"] = (time.monotonic() - began) * 1000
    after = {worker["pid"] for worker in oracle.json("workers")}
    if after != before:
        oracle.fail(f"{len(before - after)} workers lost, {len(after - before)} started")


def _kill(oracle: Oracle, *roles: str) -> None:
    _up(oracle)
    workers = [worker["pid"] for worker in oracle.json("workers")]
    status = oracle.json("status")
    with _load(oracle):
        # It can see no lifeline any more: only the kernel can end it.
        os.kill(oracle.random.choice(workers), signal.SIGSTOP)
        _at_a_random_moment(oracle)
        members = oracle.members()
        for role in roles:
            procs.kill(status[role]["pid"])
        oracle.until_gone(members, "all gone")
    oracle.run("exec", "ping")


def kill_warden(oracle: Oracle) -> None:
    """Everything goes with it, at once, and the next command starts anew."""
    _kill(oracle, "warden")


def kill_both(oracle: Oracle) -> None:
    """The same with the server."""
    _kill(oracle, "server", "warden")


def first_commands(oracle: Oracle) -> None:
    """Sixty-four at once: one warden, sixty-four answers."""
    calls = [oracle.start("exec", "ping", "--timeout", "60") for _ in range(64)]
    outs = [call.communicate(timeout=80)[0] for call in calls]
    if bad := [call.returncode for call in calls if call.returncode]:
        oracle.fail(f"{len(bad)} of 64 were not answered: {bad}")
    if missing := sum("pong" not in out for out in outs):
        oracle.fail(f"{missing} answers are missing")
    log = (oracle.state / "logs" / "warden.log").read_text()
    if (wardens := log.count("warden started")) != 1:
        oracle.fail(f"{wardens} wardens were started")


def gate(oracle: Oracle) -> None:
    """The warden stops between fork and commit: what it has forked runs nothing of its own."""
    (oracle.work / "cold.py").write_text(COLD)
    oracle.run("server", "start", SNAKEPIT_FAILPOINT="warden.before-commit=stop@4")
    up = oracle.start("up", "cold", "--adapter", "cold.py", "--size", "2", "--no-wait")
    warden = next(iter(pid for pid in oracle.members() if "warden" in procs.title(pid)))
    wait.until(lambda: (found := ident.stat(warden)) is None or found.state == "T", "the warden to stop")
    time.sleep(1.0)  # what has passed no gate must not have run by then; there is nothing to wait for
    witness = (oracle.work / "witness").read_text().split()
    if witness != ["template:cold"]:
        oracle.fail(f"ran unregistered: {witness}")
    members = oracle.members()
    procs.kill(warden)
    oracle.until_gone(members, "all gone")
    up.kill()
    up.communicate()


def failpoints(oracle: Oracle) -> None:
    """A start, a call, a stop and a reap with one failpoint armed: an answer or a named error, and nobody left."""
    point = oracle.random.choice([name for name in POINTS if name != "server.tick"])
    actions = ["kill", "sleep:0.3", *(["eio"] if point in WRITES else [])]
    action = oracle.random.choice(actions)
    armed = {"SNAKEPIT_FAILPOINT": f"{point}={action}@{oracle.random.randint(1, 3)}"}
    for argv in (["exec", "ping", "--timeout", "20"], ["exec", "ping", "--timeout", "20"], ["down"], ["reap"]):
        oracle.run(*argv, wanted=None, **armed)
    oracle.run("exec", "ping")
    oracle.figures[f"{point}={action}"] = 0.0


def _planted(oracle: Oracle, identity: ident.Identity) -> None:
    """A row of a dead run that names this process."""
    oracle.run("exec", "ping")
    oracle.run("down")
    registry = Registry(oracle.state / "registry.db")
    registry.reserve("dead-run", "worker", ["default-9"])
    registry.bind([("default-9", identity)])
    registry.close()
    oracle.run("reap")


def pid_reuse(oracle: Oracle) -> None:
    """A stranger has got the pid of one of ours: he is left alone."""
    victim = subprocess.Popen(["sleep", "3600"])
    mine = ident.identify(victim.pid)
    assert mine is not None
    victim.kill()
    victim.wait()
    while True:
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(mine.pid - 1))
        stranger = subprocess.Popen(["sleep", "3600"])
        if stranger.pid == mine.pid:
            break
        stranger.kill()
        stranger.wait()
    oracle.decoys.append(stranger)
    # Start times have a resolution of 10 ms: this one began later by more than that.
    _planted(oracle, ident.Identity(mine.boot, mine.pidns, mine.pid, mine.start - 2))


def reboot(oracle: Oracle) -> None:
    """A row of before the machine's last start names a pid and a start time that live now: left alone."""
    decoy = ident.identify(oracle.decoys[0].pid)
    assert decoy is not None
    _planted(oracle, ident.Identity("another-boot", decoy.pidns, decoy.pid, decoy.start))


def registry_mutations(oracle: Oracle) -> None:
    """Whatever the registry file holds: no traceback, the orphan that carries the cookie is found, nobody else hurt."""
    oracle.run("exec", "ping")
    oracle.run("down")
    path = oracle.state / "registry.db"
    _mutate(oracle, path)
    cookie = (oracle.state / "cookie").read_text()
    orphan = subprocess.Popen(["sleep", "3600"], env={"SNAKEPIT_COOKIE": cookie, "SNAKEPIT_RUN": "dead"})
    found = oracle.json("reap")["orphans"]
    if [one["pid"] for one in found] != [orphan.pid] or orphan.wait(10) != -signal.SIGKILL:
        oracle.fail(f"the orphan was not ended: {found}")
    oracle.run("exec", "ping")


def _mutate(oracle: Oracle, path: Path) -> None:
    data = bytearray(path.read_bytes())
    choice = oracle.random.randrange(5)
    if choice == 0:
        for _ in range(oracle.random.randint(1, 64)):
            data[oracle.random.randrange(len(data))] ^= 1 << oracle.random.randrange(8)
    elif choice == 1:
        del data[oracle.random.randrange(len(data)) :]
    elif choice == 2:
        data[:] = oracle.random.randbytes(oracle.random.randint(1, 8192))
    elif choice == 3:
        data[:16] = bytes(16)
    path.unlink()
    if choice == 4:
        path.mkdir()
    else:
        path.write_bytes(data)


SUITES: dict[str, Callable[[Oracle], None]] = {
    "kill-server": kill_server,
    "kill-warden": kill_warden,
    "kill-both": kill_both,
    "first-commands": first_commands,
    "gate": gate,
    "failpoints": failpoints,
    "pid-reuse": pid_reuse,
    "reboot": reboot,
    "registry-mutations": registry_mutations,
}
CONTROLS = {
    "pdeathsig": "kill-warden",
    "gate": "gate",
    "start-time": "pid-reuse",
    "boot-id": "reboot",
    "flock": "first-commands",
}
"""Mechanism that the saboteur takes away → the suite that must go red without it."""
