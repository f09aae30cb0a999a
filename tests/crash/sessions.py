"""Sessions: what was acknowledged is there after a kill, and after a power cut as far as that is promised."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from snakepit_cli.base import identity as ident
from snakepit_cli.base.errors import PitError
from tests.crash import load
from tests.crash.files import image, mounted
from tests.crash.oracle import Oracle
from tests.harness import procs, wait

_WRITERS = 4
_WRITES = 2500
_KILLS = 3
_AGAIN = {"server_restarted", "unavailable", "not_running"}


def acknowledged_writes(oracle: Oracle) -> None:
    """Server or warden is killed at random instants during 10,000 acknowledged writes: none is lost or made twice."""
    oracle.run("server", "start")
    writers = [_Writer(oracle, f"w{number}") for number in range(_WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(_KILLS):
        time.sleep(oracle.random.uniform(0.05, 1.0))
        victim = oracle.random.choice(["server", "server", "warden"])
        procs.kill(oracle.json("status")[victim]["pid"])
        if victim == "warden":
            oracle.run("server", "start")
    for writer in writers:
        writer.join(60)
        if writer.is_alive():
            oracle.fail("a writer hangs")
    with load.connection() as one:
        for writer in writers:
            _check(oracle, writer, one.query("var_history", session=writer.name, name="x", limit=10_000))
    oracle.count("acknowledged", sum(len(writer.acknowledged) for writer in writers))


class _Writer(threading.Thread):
    """Sets one variable to 0, 1, 2 …, and goes on with the next number when it is not told what became of one."""

    def __init__(self, oracle: Oracle, name: str) -> None:
        super().__init__(name=name)
        self._oracle = oracle
        self.acknowledged: dict[int, int] = {}
        """Value → version."""
        self._next = 0

    def run(self) -> None:
        while self._next < _WRITES:
            try:
                with load.connection() as one:
                    self._write(one)
            except PitError as error:
                if error.kind not in _AGAIN:
                    self._oracle.fail(f"a write failed: {error.kind}: {error}")
                    return
                time.sleep(0.01)

    def _write(self, one: Any) -> None:
        while self._next < _WRITES:
            self._next += 1
            answer = one.query("var_set", session=self.name, name="x", value=self._next, patience=30.0)
            self.acknowledged[self._next] = answer["version"]


def _check(oracle: Oracle, writer: _Writer, history: list[dict[str, Any]]) -> None:
    """The history keeps the latest thousand; the versions are whole, and each acknowledged one has its value."""
    found = {change["version"]: change["value"] for change in history}
    versions = sorted(found)
    if versions != list(range(versions[0], versions[0] + len(versions))):
        oracle.fail(f"{writer.name}: versions are missing")
    if len(set(found.values())) != len(found):
        oracle.fail(f"{writer.name}: a write was made twice")
    last = max(writer.acknowledged.values())
    if versions[-1] < last:
        oracle.fail(f"{writer.name}: version {last} was acknowledged, {versions[-1]} is the latest")
    wrong = [n for n, version in writer.acknowledged.items() if version >= versions[0] and found.get(version) != n]
    if wrong:
        oracle.fail(f"{writer.name}: {len(wrong)} acknowledged writes are lost")


def sessions_power_cut(oracle: Oracle) -> None:
    """The power goes while variables are written: the file is whole, and ends after the last checkpoint or later."""
    path = image(oracle)
    log = oracle.folder / "log"
    with mounted(path, oracle.folder / "disk", "loop,commit=1000") as disk:
        command = [sys.executable, "-m", "tests.crash.writer", str(disk / "sessions.db"), str(log)]
        writer = subprocess.Popen(command, env=oracle.env)
        try:
            wait.until(lambda: log.exists() and log.read_text().count("\n") > 1, "two checkpoints")
            time.sleep(oracle.random.uniform(0.0, 0.5))
            writer.send_signal(signal.SIGSTOP)
            wait.until(lambda: (s := ident.stat(writer.pid)) and s.state == "T", "the writer to stop")
            cut = Path(shutil.copy(path, oracle.folder / "cut"))
        finally:
            writer.kill()
            writer.wait()
    promised = int(log.read_text().split()[-1])
    with mounted(cut, oracle.folder / "disk", "loop") as disk:
        found, whole = _look(disk / "sessions.db")
    oracle.count("promised", promised)
    oracle.count("found", found)
    if not whole:
        oracle.fail("the file is damaged")
    if found < promised:
        oracle.fail(f"{promised} writes were followed by a checkpoint, {found} are there")


def _look(path: Path) -> tuple[int, bool]:
    """The latest value, and whether the file is whole."""
    if not path.exists():
        return 0, False
    db = sqlite3.connect(path)
    try:
        whole = db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        row = db.execute("SELECT value FROM variables").fetchone()
        versions = [number for (number,) in db.execute("SELECT version FROM history ORDER BY version")]
    except sqlite3.Error:
        return 0, False
    finally:
        db.close()
    holes = versions != list(range(versions[0], versions[0] + len(versions))) if versions else False
    return (0 if row is None else int(json.loads(row[0]))), whole and not holes
