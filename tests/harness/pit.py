"""One isolated instance in directories of its own. Leaving it proves that nothing is left of it.

Tests that wait for a state ask the server through the client library, in this process: starting the command line for
each question takes a hundred times as long. What a command prints is tested with `run` and `json`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api
from snakepit_cli.client.connect import stop
from tests.harness import procs, wait

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "snakepit_cli")
_NOT_NOW = frozenset({"unavailable", "server_restarted", "not_running"})
"""Errors of a server that starts, or has just been killed."""
_PASSED = ("PATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")


def end(command: subprocess.Popen[str]) -> None:
    """Of a test that failed: else the garbage that it leaves fails another test of the same process, later."""
    if command.poll() is None:
        command.kill()
    for pipe in (command.stdin, command.stdout, command.stderr):
        if pipe is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    command.wait()


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
        self._commands: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Pit:
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it, then looks for what should not be there any more."""
        self.down()
        for command in self._commands:
            end(command)
        cookies = [path.read_text() for path in self.folder.glob("state/*/cookie")]
        left = [pid for cookie in cookies for pid in procs.marked(cookie)]
        titles = [f"{pid} {procs.title(pid)}" for pid in left]
        for pid in left:
            procs.kill(pid)
        log = self.log("warden")
        shutil.rmtree(self.folder)
        assert not left, f"left behind: {titles}\n{log}"

    def down(self) -> None:
        """What `snakepit down --all --timeout 1` does. Errors show as processes that are left."""
        # The library takes the places of an instance from the environment.
        with mock.patch.dict(os.environ, {k: v for k, v in self.env.items() if k.startswith(("SNAKEPIT_", "XDG_"))}):
            for name in stop.instances():
                with contextlib.suppress(PitError):
                    stop.instance(name, 1.0)

    @property
    def cookie(self) -> str:
        path = self.folder / "state" / "default" / "cookie"
        return _text(path)

    def log(self, name: str) -> str:
        path = self.folder / "state" / "default" / "logs" / f"{name}.log"
        return _text(path)

    def start(self, *args: str, **kwargs: Any) -> subprocess.Popen[str]:
        """A `snakepit` command, running."""
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
            "cwd": self.work, "env": self.env,
        }  # fmt: skip
        command = subprocess.Popen([*COMMAND, *args], **{**options, **kwargs})
        self._commands.append(command)
        return command

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

    @contextlib.contextmanager
    def connection(self) -> Iterator[api.Connection]:
        """To the server that runs. Raises PitError `not_running` when there is none."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(
                f"{self.env['SNAKEPIT_RUNTIME_DIR']}/{self.env.get('SNAKEPIT_INSTANCE', 'default')}/front.sock"
            )
        except (FileNotFoundError, ConnectionRefusedError) as error:
            sock.close()
            raise PitError("not_running", str(error)) from None
        with api.Connection(sock) as connection:
            yield connection

    def _ask(self, query: Callable[[api.Connection], Any]) -> Any:
        """The answer of the server, or of the one that follows it when it is lost on the way."""

        def asked() -> list[Any]:
            try:
                with self.connection() as connection:
                    return [query(connection)]
            except PitError as error:
                if error.kind != "server_restarted":
                    raise
                return []

        return wait.until(asked, "an answer of the server")[0]

    def status(self) -> dict[str, Any]:
        """What `snakepit status --json` prints. Raises PitError when no server runs."""
        status: dict[str, Any] = self._ask(api.status)
        return status

    def workers(self, pool: str | None = None) -> list[dict[str, Any]]:
        """What `snakepit workers --json` prints. Raises PitError when no server runs."""
        workers: list[dict[str, Any]] = self._ask(lambda connection: api.workers(connection, pool))
        return workers

    def pool(self, name: str = "default") -> dict[str, Any]:
        return next(pool for pool in self.status()["pools"] if pool["name"] == name)

    def until_pool(self, what: str, name: str = "default", **wanted: Any) -> dict[str, Any]:
        """Waits until the server runs, the pool exists, and its figures are as wanted."""
        wanted_items = {"name": name, **wanted}.items()

        def reached() -> list[dict[str, Any]]:
            try:
                return [pool for pool in self.status()["pools"] if pool.items() >= wanted_items]
            except PitError as error:
                if error.kind not in _NOT_NOW:
                    raise
                return []

        return wait.until(reached, what)[0]

    def processes(self) -> list[int]:
        """Pids of the warden and everything it started that lives."""
        warden = [self.warden] if self.warden and procs.alive(self.warden) else []
        return sorted({*warden, *procs.marked(self.cookie)})

    @property
    def warden(self) -> int | None:
        """Pid of the newest warden, remembered after its death."""
        if text := _text(self.folder / "state" / "default" / "endpoint.json"):
            self._warden = json.loads(text)["pid"]
        return self._warden

    def adapter(self, source: str, name: str = "adapter.py") -> str:
        """Writes an adapter file into the working directory and returns its name."""
        (self.work / name).write_text(source)
        return name


def _text(path: Path) -> str:
    """Of a file that may be removed at any moment; empty when it is not there."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
