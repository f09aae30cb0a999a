"""Looking at processes, and ending those that a test started, by identity."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from snakepit_cli.base import identity as ident


def alive(pid: int) -> bool:
    """Running, not merely unreaped."""
    found = ident.stat(pid)
    return found is not None and found.state not in "ZX"


def marked(cookie: str) -> list[int]:
    """Live processes that carry the cookie of an instance."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    wanted = cookie.encode()
    return [pid for pid in pids if alive(pid) and ident.environment(pid).get(b"SNAKEPIT_COOKIE") == wanted]


def title(pid: int) -> str:
    """Command line as `ps` shows it; empty when it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def cpu_seconds(pid: int) -> float:
    """Processor time that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid: int) -> int:
    """Resident bytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])
