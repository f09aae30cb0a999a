"""PID 1 of a trial's universe: runs the suite, then judges. Whatever else lives at the end is an orphan."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from snakepit_cli.base import identity as ident
from tests.crash.decoys import Decoys
from tests.crash.universe import ROOT
from tests.harness import machine, procs

_SETTLED = 3.0
"""Seconds that the last processes of an instance get after `down`."""
_LINE = " pid "


class Oracle:
    """What a suite works with: an instance that is not started yet, decoys, and a list of what went wrong."""

    def __init__(self, seed: int, inputs: int) -> None:
        self.seed = seed
        self.inputs = inputs
        """How many inputs a suite that feeds many into one universe shall make."""
        self.random = random.Random(seed)
        self.failures: list[str] = []
        self.figures: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="sp-"))
        self.work = self.folder / "work"
        self.work.mkdir()
        path = [str(ROOT), str(ROOT / "bridges/python"), str(Path(__file__).parent / "saboteur")]
        self.env = {
            **os.environ,
            # First of all the saboteur, which does nothing unless a variable asks for it.
            "PYTHONPATH": os.pathsep.join(reversed(path)),
            "SNAKEPIT_RUNTIME_DIR": str(self.folder / "run"),
            "SNAKEPIT_STATE_DIR": str(self.folder / "state"),
            "SNAKEPIT_CONFIG": str(self.folder / "config.toml"),
        }
        self.configure("[pools.default]\nsize = 4\n")
        os.environ.update({k: v for k, v in self.env.items() if k.startswith("SNAKEPIT_")})
        self.clients: list[subprocess.Popen[str]] = []
        self._counting = threading.Lock()
        self.decoys = Decoys()

    @property
    def state(self) -> Path:
        return self.folder / "state" / "default"

    def configure(self, text: str) -> None:
        (self.folder / "config.toml").write_text(text)

    # ------------------------------------------------------------------------------------ the product

    def start(self, *argv: str, stdin: IO[str] | int | None = None, **env: str) -> subprocess.Popen[str]:
        """A `snakepit` command, running. It belongs to the oracle, not to the instance."""
        client = subprocess.Popen(
            [sys.executable, "-m", "snakepit_cli", *argv], cwd=self.work, env={**self.env, **env}, text=True,
            stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.clients.append(client)
        return client

    def run(self, *argv: str, wanted: int | None = 0, patience: float = 50.0, **env: str) -> str:
        """stdout. An exit code that is not `wanted` (None: any), a traceback or no end are failures."""
        process = self.start(*argv, **env)
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.fail(f"{argv} does not end within {patience:.0f} s")
            return ""
        if wanted is not None and process.returncode != wanted:
            self.fail(f"{argv}: exit {process.returncode}: {err.strip()[-400:]}")
        if process.returncode < 0:
            self.fail(f"{argv}: ended by signal {-process.returncode}")
        if "Traceback (most recent call last)" in err:
            self.fail(f"{argv}: a traceback: {err[-400:]}")
        return out

    def json(self, *argv: str) -> Any:
        out = self.run(*argv, "--json")
        return json.loads(out) if out else {}

    def members(self) -> dict[int, str]:
        """Living processes that are neither the oracle nor its own: pid → command line."""
        mine = {os.getpid(), *self.decoys.pids, *(client.pid for client in self.clients if client.poll() is None)}
        pids = {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in mine}
        return {pid: _title(pid) for pid in pids if procs.alive(pid)}

    def registered(self) -> set[int]:
        """Pids that the instance has ever registered: in the file, or noted as such in the warden's log.

        The file is read from a copy, because the warden keeps it to itself.
        """
        pids = set()
        logs = list((self.state / "logs").glob("warden.log*"))
        for line in "".join(log.read_text(errors="replace") for log in logs).splitlines():
            word = line.partition(_LINE)[2]
            pids |= {int(word)} if word.isdigit() else set()
        with tempfile.TemporaryDirectory(dir=self.folder) as copy, contextlib.suppress(OSError, sqlite3.Error):
            for file in self.state.glob("registry.db*"):
                shutil.copy(file, copy)
            with contextlib.closing(sqlite3.connect(f"{copy}/registry.db")) as db:
                pids |= {pid for (pid,) in db.execute("SELECT pid FROM process") if pid}
        return pids

    def witnesses(self) -> set[int]:
        """Pids in which the code of an adapter has run."""
        path = self.work / "witness"
        return {int(pid) for pid in path.read_text().split()} if path.exists() else set()

    # -------------------------------------------------------------------------------------- judgement

    def fail(self, text: str) -> None:
        if text not in self.failures:
            self.failures.append(text)

    def count(self, name: str, number: int = 1) -> None:
        with self._counting:
            self.counts[name] = self.counts.get(name, 0) + number

    def until_no_process(self, name: str, limit: float = 3.0) -> None:
        """How long it takes, from now, until no process of the instance is alive, in milliseconds."""
        began = time.monotonic()
        while left := self.members():
            if machine.too_late(time.monotonic() - began, limit):
                self.fail(f"alive {limit:.0f} s later: {left}")
                return
        self.figures[name] = (time.monotonic() - began) * 1000
        self._bury()

    def check_witnesses(self) -> None:
        """Nobody's code ran in a process that the registry did not know."""
        if unknown := self.witnesses() - self.registered():
            self.fail(f"ran unregistered: {sorted(unknown)}")

    def check_registry(self) -> None:
        """Nothing that was killed, at whatever instant, has left a file that cannot be read."""
        if broken := list(self.state.glob("registry.db.corrupt-*")):
            self.fail(f"the registry was set aside: {[file.name for file in broken]}")

    def judge(self) -> None:
        """After `down`: no process but the oracle's may be left, no decoy harmed, and a new start must work."""
        self.run("down", "--timeout", "2", wanted=None)
        began = time.monotonic()
        while (left := self.members()) and not machine.too_late(time.monotonic() - began, _SETTLED):
            time.sleep(0.01)
        if left:
            self.fail(f"orphans: {left}")
        if hurt := self.decoys.hurt():
            self.fail(f"decoys were hurt: {hurt}")
        self._bury()

    def _bury(self) -> None:
        """The dead of an instance whose parents are gone are ours, as PID 1; those of Popen are Popen's."""
        mine = {*self.decoys.pids, *(client.pid for client in self.clients)}
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            found = ident.stat(pid)
            if found is not None and found.state == "Z" and found.ppid == os.getpid() and pid not in mine:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def _title(pid: int) -> str:
    try:
        return procs.title(pid)
    except OSError:
        return ""


def main() -> None:
    from tests.crash.suites import SUITES

    suite: Callable[[Oracle], None] = SUITES[sys.argv[1]]
    oracle = Oracle(int(sys.argv[2]), int(sys.argv[3]))
    try:
        suite(oracle)
        oracle.judge()
    except Exception as error:  # noqa: BLE001 — whatever it is, the trial has failed
        where = traceback.extract_tb(error.__traceback__)[-1]
        oracle.fail(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
    if oracle.failures and (keep := os.environ.get("PYTHON_CRASH_KEEP")) and (oracle.state / "logs").exists():
        shutil.copytree(oracle.state / "logs", keep, dirs_exist_ok=True)
    shutil.rmtree(oracle.folder, ignore_errors=True)
    said = {
        "failures": oracle.failures, "figures": oracle.figures, "counts": oracle.counts,
        "disturbed": oracle.decoys.disturbed(),
    }  # fmt: skip
    print(json.dumps(said), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
