"""PID 1 of a trial's universe: runs the suite, then judges. Whatever else lives at the end is an orphan."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from snakepit_cli.registry import identity as ident
from tests.crash.universe import ROOT
from tests.harness import procs

DECOYS = 20
PR_SET_NAME = 15


class Oracle:
    """What a suite works with: an instance that is not started yet, decoys, and a list of what went wrong."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.failures: list[str] = []
        self.figures: dict[str, float] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="sp-"))
        self.work = self.folder / "work"
        self.work.mkdir()
        path = [str(ROOT), str(ROOT / "bridges/python")]
        if "PYTHON_SABOTAGE" in os.environ:
            path.insert(0, str(Path(__file__).parent / "saboteur"))
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "SNAKEPIT_RUNTIME_DIR": str(self.folder / "run"),
            "SNAKEPIT_STATE_DIR": str(self.folder / "state"),
            "SNAKEPIT_CONFIG": str(self.folder / "none.toml"),
        }
        (self.folder / "none.toml").write_text("[pools.default]\nsize = 4\n")
        os.environ.update({k: v for k, v in self.env.items() if k.startswith("SNAKEPIT_") and k.endswith("_DIR")})
        self.decoys = [subprocess.Popen(_decoy(number)) for number in range(DECOYS)]

    @property
    def state(self) -> Path:
        return self.folder / "state" / "default"

    # ------------------------------------------------------------------------------------ the product

    def start(self, *argv: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "snakepit_cli", *argv], cwd=self.work, env={**self.env, **env}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *argv: str, wanted: int | None = 0, **env: str) -> str:
        """stdout. An exit code that is not `wanted` (None: any), a traceback or no end are failures."""
        process = self.start(*argv, **env)
        try:
            out, err = process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"{argv} does not end")
            return ""
        if wanted is not None and process.returncode != wanted:
            self.fail(f"{argv}: exit {process.returncode}: {err.strip()[-400:]}")
        if "Traceback (most recent call last)" in err:
            self.fail(f"{argv}: a traceback: {err[-400:]}")
        return out

    def json(self, *argv: str) -> Any:
        out = self.run(*argv, "--json")
        return json.loads(out) if out else {}

    def members(self) -> dict[int, ident.Identity]:
        """Living processes of the instance, the warden included."""
        cookie = self.state / "cookie"
        pids = set(procs.marked(cookie.read_text())) if cookie.exists() else set()
        with contextlib.suppress(OSError, ValueError, KeyError):
            pids.add(json.loads((self.state / "endpoint.json").read_text())["pid"])
        found = {pid: ident.identify(pid) for pid in pids if procs.alive(pid)}
        return {pid: one for pid, one in found.items() if one is not None}

    # -------------------------------------------------------------------------------------- judgement

    def fail(self, text: str) -> None:
        self.failures.append(text)

    def until_gone(self, members: dict[int, ident.Identity], name: str, limit: float = 3.0) -> None:
        """How long it takes until all of them are gone, in milliseconds."""
        began = time.monotonic()
        while left := [pid for pid, one in members.items() if procs.alive(pid) and ident.identify(pid) == one]:
            if time.monotonic() - began > limit:
                self.fail(f"alive {limit:.0f} s later: {[procs.title(pid) for pid in left]}")
                return
            time.sleep(0.0005)
        self.figures[name] = (time.monotonic() - began) * 1000

    def judge(self) -> None:
        """After `down`: nobody but the oracle and its decoys may be left, and no decoy may be hurt."""
        self.run("down", "--timeout", "2", wanted=None)
        known = {os.getpid(), *(decoy.pid for decoy in self.decoys)}
        deadline = time.monotonic() + 3
        while (left := [pid for pid in _everybody() if pid not in known]) and time.monotonic() < deadline:
            time.sleep(0.01)
        if left:
            self.fail(f"orphans: {[procs.title(pid) for pid in left if procs.alive(pid)]}")
        if hurt := [decoy.pid for decoy in self.decoys if decoy.poll() is not None]:
            self.fail(f"{len(hurt)} decoys were hurt")


def _everybody() -> Iterator[int]:
    return (pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if procs.alive(pid))


def _decoy(number: int) -> list[str]:
    """Looks like one of our workers, some of them with a name made to confuse readers of /proc/PID/stat."""
    name = "a) Z 1 1 1" if number % 2 else "pit-worker"
    code = f"import ctypes,time; ctypes.CDLL(None).prctl({PR_SET_NAME}, {name!r}.encode(), 0, 0, 0); time.sleep(3600)"
    title = ["snakepit", "worker", f"default-{number}", "instance=default"]
    return [sys.executable, "-S", "-c", code, *title]


def main() -> None:
    from tests.crash.suites import SUITES

    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
    suite: Callable[[Oracle], None] = SUITES[sys.argv[1]]
    oracle = Oracle(int(sys.argv[2]))
    try:
        suite(oracle)
        oracle.judge()
    except Exception as error:  # noqa: BLE001 — whatever it is, the trial has failed
        oracle.fail(f"{type(error).__name__}: {error}")
    shutil.rmtree(oracle.folder, ignore_errors=True)
    print(json.dumps({"failures": oracle.failures, "figures": oracle.figures}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
