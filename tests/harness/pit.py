"""One isolated instance in directories of its own. Leaving it proves that nothing is left of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.harness import procs, wait

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "snakepit_cli")
_PASSED = ("PATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")


class Pit:
    def __init__(self, config: str = "", **env: str) -> None:
        # Not pytest's tmp_path: a socket path has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="sp-"))
        self.work = self.folder / "work"
        self.work.mkdir()
        self.config = self.folder / "config.toml"
        self.config.write_text(config)
        self.env = {name: os.environ[name] for name in _PASSED if name in os.environ}
        self.env |= {
            "SNAKEPIT_RUNTIME_DIR": str(self.folder / "run"),
            "SNAKEPIT_STATE_DIR": str(self.folder / "state"),
            "SNAKEPIT_CONFIG": str(self.config),
            **env,
        }
        self._warden: int | None = None

    def __enter__(self) -> Pit:
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it, then looks for what should not be there any more."""
        self.run("down", "--all", "--timeout", "1", check=False)
        cookies = [path.read_text() for path in self.folder.glob("state/*/cookie")]
        left = [pid for cookie in cookies for pid in procs.marked(cookie)]
        titles = [f"{pid} {procs.title(pid)}" for pid in left]
        for pid in left:
            procs.kill(pid)
        log = self.log("warden")
        shutil.rmtree(self.folder)
        assert not left, f"left behind: {titles}\n{log}"

    @property
    def cookie(self) -> str:
        path = self.folder / "state" / "default" / "cookie"
        return path.read_text() if path.exists() else ""

    def log(self, name: str) -> str:
        path = self.folder / "state" / "default" / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, *args: str, **kwargs: Any) -> subprocess.Popen[str]:
        """A `snakepit` command, running."""
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
            "cwd": self.work, "env": self.env,
        }  # fmt: skip
        return subprocess.Popen([*COMMAND, *args], **{**options, **kwargs})

    def run(self, *args: str, check: bool = True, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """A `snakepit` command, done. With `check` it must exit 0."""
        options: dict[str, Any] = {"text": True, "timeout": 60, "cwd": self.work, "env": self.env}
        if "input" not in kwargs:
            options["stdin"] = subprocess.DEVNULL
        if "stdout" not in kwargs:
            options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        done = subprocess.run([*COMMAND, *args], check=False, **{**options, **kwargs})
        if check:
            assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *args: str, check: bool = True) -> Any:
        """The one document that a command prints with --json."""
        return json.loads(self.run(*args, "--json", check=check).stdout)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.json("status", "--no-start")
        return status

    def pool(self, name: str = "default") -> dict[str, Any]:
        return next(pool for pool in self.status()["pools"] if pool["name"] == name)

    def until_pool(self, what: str, name: str = "default", **wanted: Any) -> dict[str, Any]:
        """Waits until the pool exists and its figures are as wanted."""

        def reached() -> list[dict[str, Any]]:
            pools = self.json("status", check=False).get("pools", [])
            wanted_items = {"name": name, **wanted}.items()
            return [pool for pool in pools if pool.items() >= wanted_items]

        return wait.until(reached, what)[0]

    def processes(self) -> list[int]:
        """Pids of the warden and everything it started that lives."""
        warden = [self.warden] if self.warden and procs.alive(self.warden) else []
        return sorted({*warden, *procs.marked(self.cookie)})

    @property
    def warden(self) -> int | None:
        """Pid of the newest warden, remembered after its death."""
        path = self.folder / "state" / "default" / "endpoint.json"
        if path.exists():
            self._warden = json.loads(path.read_text())["pid"]
        return self._warden

    def adapter(self, source: str, name: str = "adapter.py") -> str:
        """Writes an adapter file into the working directory and returns its name."""
        (self.work / name).write_text(source)
        return name
