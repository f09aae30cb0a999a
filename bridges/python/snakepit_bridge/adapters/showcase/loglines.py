"""Lines of a log file that grows, is rotated or truncated; and what a single line says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

__all__ = ["LineSource", "severity_of", "timestamp_of"]

BLOCK = 1 << 18
LONGEST_LINE = 1 << 20
TAIL = 64


class LineSource:
    """Reads what is there, line by line; looks for a new file under the same name when there is no more."""

    def __init__(self, path: Path, from_start: bool = True) -> None:
        self.path = path
        self.rotations = 0
        self._skip = not from_start and self.exists()
        self._file: BinaryIO | None = None
        self._identity = (0, 0)
        self._position = 0
        self._number = 0
        self._rest = b""
        self._tail = b""

    def exists(self) -> bool:
        return self.path.exists()

    def __enter__(self) -> LineSource:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, at_end: bool = False) -> Iterator[tuple[int, str]]:
        """The lines that are there now, numbered. With `at_end` an unfinished last line counts as a line."""
        while True:
            if self._file is None and not self._open():
                return
            if not self._was_rewritten():
                yield from self._drain()
            replaced = self._was_replaced()
            if (at_end or replaced) and self._rest:
                rest, self._rest = self._rest, b""
                yield self._line(rest)
            if not replaced:
                return
            self._close()

    def _open(self) -> bool:
        try:
            self._file = self.path.open("rb")
        except FileNotFoundError:
            return False
        status = _stat(self._file)
        self._identity, self._position, self._number, self._tail = status, 0, 0, b""
        if self._skip:
            self._skip = False
            while block := self._file.read(BLOCK):
                self._number += block.count(b"\n")
                self._position += len(block)
                self._tail = block[-TAIL:]
        return True

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._rest = b""
        self.rotations += 1

    def _was_replaced(self) -> bool:
        """Renamed away and made anew, or cut short and begun anew."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False  # renamed, not yet made anew: the old one may still grow
        return (status.st_dev, status.st_ino) != self._identity or self._was_rewritten()

    def _was_rewritten(self) -> bool:
        """Shorter than what was read, or with something else in the place of what was read last."""
        if self._file is None:
            return False
        descriptor = self._file.fileno()
        if os.fstat(descriptor).st_size < self._position:
            return True
        return os.pread(descriptor, len(self._tail), self._position - len(self._tail)) != self._tail

    def _drain(self) -> Iterator[tuple[int, str]]:
        if self._file is None:
            return
        while block := self._file.read(BLOCK):
            self._position += len(block)
            self._tail = block[-TAIL:]
            lines = (self._rest + block).split(b"\n")
            self._rest = lines.pop()
            for line in lines:
                yield self._line(line)
            if len(self._rest) > LONGEST_LINE:
                rest, self._rest = self._rest, b""
                yield self._line(rest)

    def _line(self, line: bytes) -> tuple[int, str]:
        self._number += 1
        return self._number, line.rstrip(b"\r").decode("utf-8", "replace")


def _stat(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


# ------------------------------------------------------------------------------------------------ one line

_SEVERITY = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|ALERT|EMERG(?:ENCY)?|FATAL|PANIC|SEVERE)\b",
    re.IGNORECASE,
)
_SAME = {
    "WARN": "WARNING", "ERR": "ERROR", "CRIT": "CRITICAL", "EMERG": "EMERGENCY", "PANIC": "FATAL", "SEVERE": "ERROR",
}  # fmt: skip
_ISO = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?(?!\d)")
_APACHE = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})")
_SYSLOG = re.compile(r"^(?:<\d+>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d)\b")
_EPOCH = re.compile(r"^\[?(\d{10})(\.\d{1,9})?\b")


def severity_of(line: str) -> str | None:
    """DEBUG, INFO, WARNING, ERROR, … as the line states it; None when it does not."""
    found = _SEVERITY.search(line)
    if found is None:
        return None
    word = found.group(1).upper()
    return _SAME.get(word, word)


def timestamp_of(line: str) -> str | None:
    """The line's time as ISO 8601: from ISO, Apache, syslog (this year's) or epoch seconds; else None."""
    head = line[:200]
    try:
        return _iso(head) or _apache(head) or _syslog(head) or _epoch(head)
    except (ValueError, OverflowError):
        return None  # the form of a time, but no such time


def _iso(head: str) -> str | None:
    found = _ISO.search(head)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micro = int((fraction or "0").ljust(6, "0")[:6])
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro)
    zone = "+00:00" if zone == "Z" else zone or ""
    if zone and ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    return moment.isoformat() + zone


def _apache(head: str) -> str | None:
    found = _APACHE.search(head)
    if found is None:
        return None
    day, month, year, clock, zone = found.groups()
    return datetime.strptime(f"{day} {month} {year} {clock} {zone}", "%d %b %Y %H:%M:%S %z").isoformat()


def _syslog(head: str) -> str | None:
    found = _SYSLOG.search(head)
    if found is None:
        return None
    month, day, clock = found.groups()
    year = datetime.now(timezone.utc).year
    return datetime.strptime(f"{year} {month} {day} {clock}", "%Y %b %d %H:%M:%S").isoformat()


def _epoch(head: str) -> str | None:
    found = _EPOCH.search(head)
    if found is None:
        return None
    return datetime.fromtimestamp(float(found.group(1) + (found.group(2) or "")), timezone.utc).isoformat()
