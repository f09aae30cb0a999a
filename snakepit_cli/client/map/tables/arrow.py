"""Rows from Parquet and Arrow, a batch at a time. Values without a JSON form become the texts that the bridge uses."""

from __future__ import annotations

import os
import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.descriptors import is_file, waits
from snakepit_cli.client.map.tables.columns import check_names
from snakepit_cli.client.map.tables.nonfinite import Nonfinite
from snakepit_cli.client.map.tables.table import Table

AT_LEAST = "18"
_SLICE_BYTES = 1 << 20
_MOST_ROWS = 1 << 14
_MAGIC = b"ARROW1"
_ENCODER = msgspec.json.Encoder(enc_hook=lambda value: value.isoformat())
Batch = Any
"""pyarrow.RecordBatch. The package has no types."""


class ArrowTable(Table):
    """Columns of a Parquet file, of an Arrow file, or of an Arrow stream, which may come through a pipe."""

    def __init__(
        self, descriptor: int, form: str, parameters: Iterable[dict[str, Any]], *,
        whole: str | None = None, nan_is_null: bool = False,
    ) -> None:  # fmt: skip
        """`parameters` and `whole` are as for CSV. `nan_is_null`: else an item with NaN fails. Raises PitError."""
        super().__init__()
        self._pa = _library(form)
        self._descriptor = descriptor
        self._optional = [] if whole is not None else [one["name"] for one in parameters if not one.get("required")]
        self._whole = whole
        self._items = 0
        self._share: Callable[[], float | None] = lambda: None
        """How much of the input has been read."""
        self._ended = False
        self._waiting: deque[Batch] = deque()
        """Slices of the last batch."""
        with self._told():
            schema, self._batches = self._parquet() if form == "parquet" else self._arrow()
            check_names(schema.names, "the names of the columns")
        self._nonfinite = None if nan_is_null else Nonfinite(self._pa, schema)

    def read(self) -> bytes | None:
        if not self._waiting:
            with self._told():
                batch = next(self._batches, None)
            if batch is None:
                self._ended = True
                return None
            self._waiting.extend(_slices(batch))
        if not self._waiting:  # a batch without rows
            return b""
        lines = self._lines(self._waiting.popleft())
        self._made += len(lines)
        return lines

    def late(self) -> bool:
        return not self._waiting and not self._ended and waits(self._descriptor)

    def expected(self) -> int | None:
        share = self._share()
        return int(self._made / share) if share else None

    # ---------------------------------------------------------------------------------------- batches

    def _parquet(self) -> tuple[Any, Iterator[Batch]]:
        from pyarrow import parquet

        if not is_file(self._descriptor):
            raise _refused("Parquet is read from a file, not from a pipe", "a pipe can hold --from arrow, a stream")
        file = parquet.ParquetFile(self._file())
        rows, size = file.metadata.num_rows, sum(
            file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups)
        )  # fmt: skip
        self._share = lambda: self._items / rows if rows else None
        count = max(1, min(_MOST_ROWS, rows * _SLICE_BYTES // max(size, 1)))
        return file.schema_arrow, file.iter_batches(batch_size=count, use_threads=False)

    def _arrow(self) -> tuple[Any, Iterator[Batch]]:
        from pyarrow import ipc

        if not is_file(self._descriptor):
            reader = ipc.open_stream(self._pa.PythonFile(_Pipe(self._descriptor), mode="r"))
        elif os.pread(self._descriptor, len(_MAGIC), os.lseek(self._descriptor, 0, os.SEEK_CUR)) == _MAGIC:
            whole = ipc.open_file(self._file())
            return whole.schema, self._counted(whole)
        else:
            reader = ipc.open_stream(self._file())
        return reader.schema, iter(reader)

    def _counted(self, whole: Any) -> Iterator[Batch]:
        count, done = whole.num_record_batches, 0
        self._share = lambda: done / count if count else None
        for number in range(count):
            yield whole.get_batch(number)
            done = number + 1

    def _file(self) -> Any:
        return self._pa.PythonFile(open(self._descriptor, "rb", closefd=False), mode="r")

    def _told(self) -> _Told:
        return _Told(self._pa)

    # ------------------------------------------------------------------------------------------- rows

    def _lines(self, rows: Batch) -> bytes:
        first = self._items + 1
        self._items += rows.num_rows
        try:
            lines, faults = self._encoded(rows)
        except Exception:  # noqa: BLE001 - whatever a value of one row does
            return b"".join(self._one(rows.slice(number, 1), first + number) for number in range(rows.num_rows))
        for number, text in sorted(faults.items()):
            hint = "with --nan null it is null"
            self.faults.add(first + number, PitError("invalid_arguments", text, hint=hint))
        return lines

    def _one(self, row: Batch, item: int) -> bytes:
        """A row beside one that has no JSON form."""
        try:
            line, faults = self._encoded(row)
        except Exception as error:  # noqa: BLE001 - whatever a value of one row does
            line, faults = b"null\n", {0: f"the row has no JSON form: {error}"}
        if faults:
            self.faults.add(item, PitError("invalid_arguments", faults[0], hint=""))
        return line

    def _encoded(self, rows: Batch) -> tuple[bytes, dict[int, str]]:
        made = _with_microseconds(self._pa, rows).to_pylist()
        faults = self._nonfinite.find(rows, made) if self._nonfinite is not None else {}
        return _ENCODER.encode_lines([self._arguments(row) for row in made]), faults

    def _arguments(self, row: dict[str, Any]) -> dict[str, Any]:
        for name in self._optional:
            if name in row and row[name] is None:
                del row[name]
        return row if self._whole is None else {self._whole: row}


def _library(form: str) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        hint = f"{shlex.quote(sys.executable)} -m pip install 'pyarrow>={AT_LEAST}'"
        raise PitError("usage", f"--from {form} needs the package pyarrow ({error})", hint=hint) from None
    return pyarrow


def _refused(text: str, hint: str = "") -> PitError:
    return PitError("invalid_arguments", text, hint=hint)


class _Told:
    """Errors of the package about what it reads, as ours."""

    def __init__(self, pa: Any) -> None:
        self._kinds = (pa.ArrowException, OSError, ValueError, EOFError)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, self._kinds):
            text = str(error).partition("\n")[0]
            raise PitError(
                "input_not_found", f"cannot read the input: {text}", hint="is it what --from says?"
            ) from None


class _Pipe:
    """A pipe that is read exactly as far as it is asked: what waits in it can be seen by select."""

    closed = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        while size and (data := os.read(self._descriptor, min(size, 1 << 20) if size > 0 else 1 << 20)):
            parts.append(data)
            size -= len(data)
        found = b"".join(parts)
        if not self._at and found[: len(_MAGIC)] == _MAGIC[: len(found)] and found:
            raise ValueError("an Arrow file, which cannot be read from a pipe; write a stream, or name the file")
        self._at += len(found)
        return found

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        pass

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def writable(self) -> bool:
        return False


def _slices(batch: Batch) -> Iterator[Batch]:
    rows = batch.num_rows
    count = max(1, min(_MOST_ROWS, rows * _SLICE_BYTES // max(batch.nbytes, 1)))
    return (batch.slice(at, count) for at in range(0, rows, count))


def _with_microseconds(pa: Any, batch: Batch) -> Batch:
    """Python's times have no nanoseconds. Where there are some, the column becomes text, so that none is lost."""
    types = pa.types
    for number, field in enumerate(batch.schema):
        kind = field.type
        if getattr(kind, "unit", None) != "ns":
            continue
        if types.is_timestamp(kind):
            kind = pa.timestamp("us", kind.tz)
        else:
            kind = pa.duration("us") if types.is_duration(kind) else pa.time64("us")
        batch = batch.set_column(number, field.name, _cast(pa, batch.column(number), kind))
    return batch


def _cast(pa: Any, column: Any, kind: Any) -> Any:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        if pa.types.is_duration(kind):
            raise
    from pyarrow import compute

    text = compute.replace_substring(compute.cast(column, pa.string()), " ", "T", max_replacements=1)
    return compute.replace_substring_regex(text, r"([+-]\d\d)(\d\d)$", r"\1:\2")
