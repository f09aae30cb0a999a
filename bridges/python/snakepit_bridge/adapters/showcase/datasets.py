"""A CSV file of any size, analysed in constant memory."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase.columns import ColumnStatistics
from snakepit_bridge.context import CallContext

__all__ = ["DatasetCommands"]

BLOCK = 1 << 20
FIELD_LIMIT = (1 << 31) - 1


class DatasetCommands:
    """process_large_dataset, process_dataset."""

    @command
    def process_large_dataset(
        self, file_path: str, chunk_size: int = 10_000, *, ctx: CallContext
    ) -> Iterator[dict[str, Any]]:
        """Analyses a CSV file of any size and streams its progress; the last chunk holds the statistics.

        The first row is the header. Distinct values are exact up to some ten thousand, then an estimate.

        Args:
            file_path: The file, relative to the caller's directory.
            chunk_size: Rows between two reports of progress.
        """
        if isinstance(chunk_size, bool) or not isinstance(chunk_size, int) or chunk_size < 1:
            raise ValueError(f"chunk_size must be a whole number of at least 1, not {chunk_size!r}")
        path = ctx.path(file_path)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a directory, not a CSV file")
        if not path.exists():
            raise FileNotFoundError(f"no such file: {path}")
        return _analyse(path, chunk_size)

    @command
    def process_dataset(self, file_path: str, chunk_size: int = 1000, *, ctx: CallContext) -> Iterator[dict[str, Any]]:
        """As process_large_dataset, with other names: progress, records_processed, total_records.

        Args:
            file_path: The CSV file, relative to the caller's directory.
            chunk_size: Rows between two reports of progress.
        """
        return _renamed(self.process_large_dataset(file_path, chunk_size, ctx=ctx))


def _renamed(chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        names = {"progress_percent": "progress", "processed_rows": "records_processed", "total_rows": "total_records"}
        renamed = {new: chunk[old] for old, new in names.items()}
        if chunk["is_final"]:
            renamed.update(total_processed=chunk["processed_rows"], final_stats=chunk["final_stats"])
        yield {**renamed, "is_final": chunk["is_final"]}


class Survey:
    """A first, fast look at the whole file: its encoding, and how many rows it may have."""

    def __init__(self, path: Path) -> None:
        self.encoding = "utf-8"
        self.encoding_error = ""
        self.size = path.stat().st_size
        self.quoted = False
        self._newlines = 0
        self._last = b"\n"
        with path.open("rb") as file:
            head = file.read(4)
            if head[:3] == b"\xef\xbb\xbf":
                self.encoding = "utf-8-sig"
            elif head[:2] in (b"\xff\xfe", b"\xfe\xff"):
                self.encoding = "utf-16"
            file.seek(0)
            self._scan(file)

    def _scan(self, file: Any) -> None:
        import codecs

        decode = codecs.getincrementaldecoder(self.encoding)().decode
        offset = 0
        while block := file.read(BLOCK):
            self._newlines += block.count(b"\n")
            self.quoted = self.quoted or b'"' in block
            self._last = block[-1:]
            if not self.encoding_error:
                try:
                    decode(block)
                except UnicodeDecodeError as error:
                    byte = error.object[error.start]
                    self.encoding_error = f"byte 0x{byte:02x} near offset {offset + error.start} is not {self.encoding}"
                    self.encoding = "latin-1"
            offset += len(block)

    @property
    def rows(self) -> int:
        """Lines without the header: an estimate when quotes may hide line breaks."""
        lines = self._newlines + (self._last != b"\n")
        return max(0, lines - 1)


def _analyse(path: Path, chunk_size: int) -> Iterator[dict[str, Any]]:
    started = time.monotonic()
    survey = Survey(path)
    csv.field_size_limit(FIELD_LIMIT)
    with path.open(encoding=survey.encoding, newline="") as file:
        raw = file.buffer.raw  # type: ignore[attr-defined]
        reader = csv.reader(file)
        table = Table(next(reader, []))
        while rows := list(islice(reader, chunk_size)):
            table.add(rows)
            done = raw.tell()
            yield {
                "progress_percent": round(100.0 * done / survey.size, 2) if survey.size else 100.0,
                "processed_rows": table.rows,
                "total_rows": max(survey.rows, table.rows),
                "total_rows_estimated": survey.quoted,
                "memory_usage_mb": memory_usage_mb(),
                "is_final": False,
            }
    yield {
        "progress_percent": 100.0,
        "processed_rows": table.rows,
        "total_rows": table.rows,
        "total_rows_estimated": False,
        "memory_usage_mb": memory_usage_mb(),
        "is_final": True,
        "final_stats": {**table.report(), **_file_report(survey, time.monotonic() - started)},
    }


def _file_report(survey: Survey, seconds: float) -> dict[str, Any]:
    report: dict[str, Any] = {"encoding": survey.encoding, "file_bytes": survey.size, "seconds": round(seconds, 3)}
    if survey.encoding_error:
        report["encoding_error"] = survey.encoding_error
    return report


class Table:
    """The columns and what does not fit into them."""

    def __init__(self, header: list[str]) -> None:
        self.rows = 0
        self._ragged = 0
        self._width = len(header)
        self._columns = [ColumnStatistics(name.strip() or f"column_{n}") for n, name in enumerate(header, 1)]

    def add(self, rows: list[list[str]]) -> None:
        width = self._width
        lengths = set(map(len, rows))
        if 0 in lengths:
            rows = [row for row in rows if row]  # blank lines
            lengths.discard(0)
        if lengths - {width}:
            self._ragged += sum(1 for row in rows if len(row) != width)
            rows = [row if len(row) == width else (row + [""] * width)[:width] for row in rows]
        self.rows += len(rows)
        for column, values in zip(self._columns, zip(*rows)):
            column.add(values)

    def report(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "ragged_rows": self._ragged,
            "columns": [column.report() for column in self._columns],
        }


def memory_usage_mb() -> float:
    """Resident memory of this process."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            pages = int(statm.read().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except OSError:
        import resource

        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)
