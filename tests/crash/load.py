"""What an instance has to do while something terrible happens to it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator

from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.client import api
from snakepit_cli.client.connect import find
from tests.crash.oracle import Oracle

KEEPER = """
import os, time
with open("witness", "a") as file:
    file.write(f"{os.getpid()}\\n")

from snakepit_bridge import command

class Keeper:
    def __init__(self):
        with open("witness", "a") as file:
            file.write(f"{os.getpid()}\\n")
        self.store = {}

    @command
    def ping(self) -> str:
        return "pong"

    @command
    def slowly(self, value: int) -> int:
        time.sleep(0.01)
        return value

    @command
    def count(self, n: int):
        yield from range(n)

    @command
    def keep(self, name: str, value: int) -> int:
        self.store[name] = value
        time.sleep(0.5)  # meanwhile the others have to go to other workers
        return os.getpid()

    @command
    def kept(self, name: str) -> dict:
        return {"pid": os.getpid(), "value": self.store.get(name)}
"""
COLD = """
import os, threading, time
with open("witness", "a") as file:
    file.write(f"{os.getpid()}\\n")
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()

class Cold:
    def execute_ping(self):
        return "pong"
"""


def adapters(oracle: Oracle) -> None:
    """Both leave a mark of their process in a file as the first thing that they do."""
    (oracle.work / "keeper.py").write_text(KEEPER)
    (oracle.work / "cold.py").write_text(COLD)


def up(oracle: Oracle) -> None:
    """Four workers from a template, two started cold."""
    adapters(oracle)
    oracle.run("up", "--adapter", "keeper.py", "--size", "4")
    oracle.run("up", "cold", "--adapter", "cold.py", "--size", "2")


def connection() -> api.Connection:
    return api.Connection(find.connect("default", start=False))


class Load:
    """Clients that call and stream one after the other: threads of the client library, and commands."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._over = threading.Event()
        self._spawning = threading.Lock()
        self._threads = [threading.Thread(target=one) for one in (self._calls, self._calls, self._streams, self._execs)]
        self.errors: list[str] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._threads:
            thread.join(40)
        if any(thread.is_alive() for thread in self._threads):
            self._oracle.fail("a client hangs")
        if strange := {kind for kind in self.errors if kind not in KINDS or kind == "internal"}:
            self._oracle.fail(f"errors that must not occur: {strange}")
        self._oracle.count("answers with an error", len(self.errors))

    def stop(self) -> None:
        """No client begins anything new."""
        with self._spawning:
            self._over.set()

    def _calls(self) -> None:
        while not self._over.is_set():
            with self._noting(), connection() as one:
                while not self._over.is_set():
                    one.call("ping", timeout=20.0)
                    self._oracle.count("answers")

    def _streams(self) -> None:
        while not self._over.is_set():
            with self._noting(), connection() as one:
                while not self._over.is_set():
                    text = b"".join(one.stream("count", b'{"n": 50}', timeout=20.0))
                    if text.split() != [b"%d" % number for number in range(50)]:
                        self._oracle.fail(f"a stream ended well with {len(text.split())} of 50 chunks")
                    self._oracle.count("answers")

    def _execs(self) -> None:
        while True:
            with self._spawning:
                if self._over.is_set():
                    return
                client = self._oracle.start("--no-start", "exec", "ping", "--timeout", "20")
            try:
                client.communicate(timeout=40)
            except subprocess.TimeoutExpired:
                self._oracle.fail("a command hangs")
                client.kill()
                client.communicate()
            self._oracle.count("answers" if client.returncode == 0 else "answers with an error")

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except PitError as error:
            self.errors.append(error.kind)
            time.sleep(0.005)
