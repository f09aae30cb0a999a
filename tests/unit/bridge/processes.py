"""Real worker processes for tests, started as the warden starts them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BRIDGE = ROOT / "bridges" / "python"
PYTHON = os.environ.get("BRIDGE_PYTHON", sys.executable)
"""The interpreter that hosts the workers: the tests hold for every supported one."""
ADAPTER = Path(__file__).parent / "adapters" / "sample.py"


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(BRIDGE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEPIT_")}
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}


class WorkerProcess:
    """`python -m snakepit_bridge worker`, with a token, a lifeline and a log file."""

    def __init__(self, address: str, log: Path, adapter: str, cwd: Path, *, token: str = "secret", **env: str) -> None:
        token_read, token_write = os.pipe()
        self.lifeline_read, self.lifeline = os.pipe()
        os.write(token_write, token.encode())
        os.close(token_write)
        self.log_path = log
        command = [PYTHON, "-m", "snakepit_bridge", "worker", "--instance", "i1", "--pool", "default"]
        command += ["--worker", "w1", "--adapter", adapter, "--cwd", str(cwd)]
        launch = {
            "SNAKEPIT_GATEWAY": address,
            "SNAKEPIT_WORKER_ID": "w1",
            "SNAKEPIT_TOKEN_FD": str(token_read),
            "SNAKEPIT_LIFELINE_FD": str(self.lifeline_read),
        }
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                env=environment(**launch, **env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=(token_read, self.lifeline_read),
                cwd=cwd,
            )
        os.close(token_read)
        os.close(self.lifeline_read)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait(self, timeout: float = 15.0) -> int:
        return self.process.wait(timeout)

    def cut_lifeline(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.cut_lifeline()


def eventually(condition: Callable[[], object], timeout: float = 15.0) -> None:
    """Waits until the condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
