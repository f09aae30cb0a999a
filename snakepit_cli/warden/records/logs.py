"""Output of our processes: always drained, kept in files of limited size.

A pipe that is not read blocks its writer for good, so the warden reads every pipe, whatever comes out of it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

CAP = 1 << 20
"""Bytes of one file; with the older half beside it (`NAME.log.1`) at most twice that is kept."""
_READ = 1 << 18
_TAIL_LINES = 20
_TAIL_BYTES = 8192
_KEEP_SECONDS = 7 * 24 * 3600
KEEP = 200
"""Files that are kept."""
KEEP_OF_POOL = 20
"""Of these, at most this many of dead workers of one pool."""


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class CappedLog:
    """Appends to NAME.log; when it is full it becomes NAME.log.1 and a new one begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Never raises: a log that cannot be written (full disk) must not stop anything."""
        try:
            for at in range(0, len(data), CAP):
                self._write(data[at : at + CAP])
        except OSError:
            self.close()

    def _write(self, data: bytes) -> None:
        fd = self.fileno()
        if self._size and self._size + len(data) > CAP:
            self.close()
            os.replace(self.path, f"{self.path}.1")
            fd = self.fileno()
        os.write(fd, data)
        self._size += len(data)

    def fileno(self) -> int:
        """The open file; opened on first use, because most workers never print."""
        if self._fd is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self.path, flags, 0o600)
            self._size = os.fstat(self._fd).st_size
        return self._fd

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Pump:
    """Moves what a process writes from its pipe to its log, and remembers the end of it for error messages."""

    def __init__(self, log: CappedLog) -> None:
        self.log = log
        self.fd, self.write_end = os.pipe()
        os.set_blocking(self.fd, False)
        self._tail = b""
        self._within = False
        """The last line is not complete."""

    def close_write_end(self) -> None:
        """Harmless when it is closed."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def pump(self) -> int | None:
        """Reads once: how many bytes came, 0 when there are none now, None at the end of the pipe."""
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return 0
        if not data:
            return None
        self.log.write(self._stamped(data))
        self._tail = (self._tail + data[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return len(data)

    def _stamped(self, data: bytes) -> bytes:
        """Each line with the time at which it begins to be read."""
        stamp = now().encode() + b" "
        whole = data.endswith(b"\n")
        text = (data[:-1] if whole else data).replace(b"\n", b"\n" + stamp) + (b"\n" if whole else b"")
        text, self._within = text if self._within else stamp + text, not whole
        return text

    def drain(self) -> None:
        """Takes what is there now, in bounded time: a descendant may hold the pipe open and go on writing."""
        for _ in range(16):
            if not self.pump():
                return

    def tail(self) -> list[str]:
        """The last lines written."""
        return self._tail.decode(errors="replace").splitlines()[-_TAIL_LINES:]

    def close(self) -> None:
        self.close_write_end()
        os.close(self.fd)
        self.log.close()


class Journal:
    """The warden's own log: one line an event; in the foreground on stderr, too."""

    def __init__(self, log: CappedLog, *, foreground: bool) -> None:
        self._log = log
        self._foreground = foreground

    def __call__(self, text: str) -> None:
        line = f"{now()} {text}\n".encode(errors="replace")
        self._log.write(line)
        if self._foreground:
            try:
                os.write(2, line)
            except OSError:
                pass


class OldLogs:
    """Logs of the dead: the newest `KEEP_OF_POOL` of each pool, and `KEEP` of all pools together, stay."""

    def __init__(self) -> None:
        self._pools: dict[Path, str] = {}
        """Log → pool, in the order of the deaths."""

    def born(self, log: Path) -> None:
        """A process has taken the name, so its log is not that of a dead one any more."""
        self._pools.pop(log, None)

    def buried(self, pool: str, log: Path) -> None:
        """Most processes never print and have none."""
        if not log.exists():
            return
        self.born(log)
        self._pools[log] = pool
        of_pool = [path for path, name in self._pools.items() if name == pool]
        for path in {*of_pool[:-KEEP_OF_POOL], *list(self._pools)[:-KEEP]}:
            del self._pools[path]
            _remove(path)


def _remove(log: Path) -> None:
    for path in (log, log.with_name(f"{log.name}.1")):
        try:
            path.unlink(missing_ok=True)
        except OSError:
            pass  # a file system that has become read-only


def prune(folder: Path) -> None:
    """Removes logs of long ago. Called when a warden starts."""
    found = sorted((entry.stat().st_mtime, entry) for entry in folder.glob("*.log*") if entry.is_file())
    limit = time.time() - _KEEP_SECONDS
    excess = len(found) - KEEP
    for index, (modified, entry) in enumerate(found):
        if modified < limit or index < excess:
            try:
                entry.unlink(missing_ok=True)
            except OSError:
                pass
