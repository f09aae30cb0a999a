"""Output of our processes: drained for ever, kept in files that cannot grow past a cap.

A pipe that nobody reads blocks its writer for good, so the warden reads every one, whatever comes out of it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

CAP = 1 << 20
"""Bytes of one file; with the older half beside it (`NAME.log.1`) at most twice that is kept."""
_READ = 1 << 18
_TAIL_LINES = 20
_TAIL_BYTES = 8192
_KEEP_SECONDS = 7 * 24 * 3600
_KEEP_FILES = 200


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
        self._tail: deque[bytes] = deque(maxlen=2)

    def close_write_end(self) -> None:
        os.close(self.write_end)

    def pump(self) -> int | None:
        """Reads once: how many bytes came, 0 when there are none now, None at the end of the pipe."""
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return 0
        if not data:
            return None
        self.log.write(data)
        self._tail.append(data[-_TAIL_BYTES:])
        return len(data)

    def drain(self) -> None:
        """Takes what is there now, in bounded time: a descendant may hold the pipe open and go on writing."""
        for _ in range(16):
            if not self.pump():
                return

    def tail(self) -> list[str]:
        """The last lines written."""
        text = b"".join(self._tail)[-_TAIL_BYTES:].decode(errors="replace")
        return text.splitlines()[-_TAIL_LINES:]

    def close(self) -> None:
        os.close(self.fd)
        self.log.close()


class Journal:
    """The warden's own log: one line an event; in the foreground on stderr, too."""

    def __init__(self, log: CappedLog, *, foreground: bool) -> None:
        self._log = log
        self._foreground = foreground

    def __call__(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = f"{stamp} {text}\n".encode(errors="replace")
        self._log.write(line)
        if self._foreground:
            try:
                os.write(2, line)
            except OSError:
                pass


def prune(folder: Path) -> None:
    """Removes logs of long ago. Called when a warden starts."""
    found = sorted((entry.stat().st_mtime, entry) for entry in folder.glob("*.log*") if entry.is_file())
    limit = time.time() - _KEEP_SECONDS
    excess = len(found) - _KEEP_FILES
    for index, (modified, entry) in enumerate(found):
        if modified < limit or index < excess:
            entry.unlink(missing_ok=True)
