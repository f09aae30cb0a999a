"""An instance of our own, in directories of its own, that is brought down whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.installation import Installation
from benchmarks.processes import BenchmarkError
from snakepit_cli.client import api

_SECONDS = 60.0


class Instance:
    """Owns the directories and everything that runs in them. Use as a context manager."""

    def __init__(self, installation: Installation, **env: str) -> None:
        self.installation = installation
        self.python = installation.python
        self.command = installation.command
        # Not in a long TMPDIR: a socket path has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="spb-", dir="/tmp"))
        self.env = {
            **os.environ,
            "SNAKEPIT_INSTANCE": "default",
            "SNAKEPIT_RUNTIME_DIR": str(self.folder / "run"),
            "SNAKEPIT_STATE_DIR": str(self.folder / "state"),
            "SNAKEPIT_CONFIG": str(self._config()),
            **env,
        }

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        shutil.rmtree(self.folder)

    def _config(self) -> Path:
        path = self.folder / "config.toml"
        path.touch()
        return path

    def timed(self, *args: str, output: str = os.devnull) -> float:
        """Seconds of a whole `snakepit` process, its output into a file. Raises BenchmarkError."""
        return processes.whole([*self.command, *args], self.env, output=output, errors=str(self.folder / "stderr"))

    def bare(self) -> float:
        """Seconds of a whole `python -c pass` of the same interpreter."""
        return processes.whole([self.python, "-c", "pass"], self.env)

    def json(self, *args: str) -> Any:
        """The document that a `snakepit` command prints. Raises BenchmarkError."""
        return json.loads(self._run(*args))

    def down(self) -> None:
        """Returns when nothing is left. Raises BenchmarkError."""
        self._run("down", "--timeout", "1s")

    def connect(self) -> api.Connection:
        """A new connection to the server, which must be running."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(self.folder / "run" / "default" / "front.sock"))
        return api.Connection(sock)

    def pool(self, name: str, size: int) -> None:
        """Returns when all workers of the pool are attached; starts the server too."""
        self._run("up", name, "--size", str(size))

    def up(self, name: str, adapter: str) -> None:
        """A pool of one worker of this adapter, attached."""
        self._run("up", name, "--adapter", adapter, "--size", "1")

    def _run(self, *args: str) -> str:
        done = subprocess.run(
            [*self.command, *args],
            check=False, capture_output=True, stdin=subprocess.DEVNULL, text=True, env=self.env, timeout=_SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            raise BenchmarkError(f"snakepit {' '.join(args)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout
