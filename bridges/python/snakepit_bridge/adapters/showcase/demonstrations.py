"""Small commands that demonstrations of pools are made of: streams, load, encodings, failures."""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Iterator
from itertools import count as counting
from typing import Any, NoReturn

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase.datasets import memory_usage_mb
from snakepit_bridge.adapters.showcase.embedding import embed

__all__ = ["DemonstrationCommands"]

_LONGEST_MS, _MOST_CHUNKS, _MOST_KB, _STEPS = 3_600_000, 1_000_000, 10_240, 1000
_FAILURES = {"value": ValueError, "runtime": RuntimeError, "generic": Exception}
_TEXTS = {"upper": str.upper, "lower": str.lower, "reverse": lambda text: text[::-1], "length": len}


class DemonstrationCommands:
    """add, error_demo, process_text; streams; load; encodings."""

    # ------------------------------------------------------------------------------------------------ basics

    @command
    def add(self, a: float, b: float) -> float:
        """The sum of two numbers."""
        return a + b

    @command
    def error_demo(self, error_type: str = "generic") -> NoReturn:
        """Raises an exception.

        Args:
            error_type: value, runtime or generic.
        """
        raise _chosen(_FAILURES, error_type, "error_type")(f"this is a {error_type} error, raised on purpose")

    @command
    def process_text(self, text: str, operation: str = "upper") -> dict[str, Any]:
        """Changes or measures a text.

        Args:
            text: Any text.
            operation: upper, lower, reverse or length.
        """
        result = _chosen(_TEXTS, operation, "operation")(text)
        return {"original": text, "operation": operation, "result": result, "success": True}

    # ------------------------------------------------------------------------------------------------ streams

    @command
    def stream_progress(self, steps: int = 10, delay_ms: int = 0) -> Iterator[dict[str, Any]]:
        """Streams how far it is.

        Args:
            steps: How many chunks.
            delay_ms: Milliseconds before each.
        """
        pause, started = _seconds(delay_ms), time.monotonic()
        for step in range(1, _checked("steps", steps, 1, _MOST_CHUNKS) + 1):
            time.sleep(pause)
            yield {
                "step": step,
                "total": steps,
                "progress": round(100.0 * step / steps, 2),
                "message": f"step {step} of {steps}",
                "elapsed_ms": round(1000 * (time.monotonic() - started), 3),
            }

    @command
    def stream_fibonacci(self, count: int = 20) -> Iterator[dict[str, int]]:
        """Streams Fibonacci's numbers.

        Args:
            count: How many.
        """
        this, following = 0, 1
        for index in range(1, _checked("count", count, 0, 10_000) + 1):
            yield {"index": index, "value": this}
            this, following = following, this + following

    @command
    def generate_dataset(self, rows: int = 1000, chunk_size: int = 100) -> Iterator[dict[str, Any]]:
        """Streams a data set that is made up on the way: a number, its square, and whether it is even.

        Args:
            rows: How many.
            chunk_size: Rows in a chunk.
        """
        _checked("rows", rows, 0, 10 * _MOST_CHUNKS)
        _checked("chunk_size", chunk_size, 1, 100_000)
        for start in range(0, rows, chunk_size):
            numbers = range(start, min(rows, start + chunk_size))
            data = [{"id": n, "square": n * n, "even": n % 2 == 0} for n in numbers]
            yield {"rows_in_chunk": len(data), "total_rows": rows, "data_sample": data[:3], "data": data}

    @command
    def infinite_stream(self, delay_ms: int = 500) -> Iterator[dict[str, Any]]:
        """Streams until the reader goes away.

        Args:
            delay_ms: Milliseconds between two chunks.
        """
        pause = _seconds(delay_ms)
        for number in counting(1):
            yield {"message": f"chunk {number}", "timestamp": time.time()}
            time.sleep(pause)

    # ------------------------------------------------------------------------------------------------ load

    @command
    def cpu_bound_task(self, task_id: Any = None, duration_ms: int = 100) -> dict[str, Any]:
        """Computes for a while.

        Args:
            task_id: Sent back.
            duration_ms: How long.
        """
        started, end, rounds = time.monotonic(), time.monotonic() + _seconds(duration_ms), 0
        while time.monotonic() < end:
            rounds += sum(range(1000)) > 0
        return {
            "task_id": task_id,
            "result": rounds,
            "actual_duration_ms": round(1000 * (time.monotonic() - started), 3),
        }

    @command
    def sleep_task(self, duration_ms: int = 100, task_number: Any = None) -> dict[str, Any]:
        """Waits for a while.

        Args:
            duration_ms: How long.
            task_number: Sent back.
        """
        time.sleep(_seconds(duration_ms))
        return {"task_number": task_number, "slept_ms": duration_ms}

    @command
    def lightweight_task(self, iteration: int) -> dict[str, int]:
        """Doubles a number."""
        return {"iteration": iteration, "result": 2 * iteration}

    @command
    def get_pool_stats(self) -> dict[str, Any]:
        """The process of the worker that answers: its id, memory, and processor time."""
        times = os.times()
        return {
            "worker_pid": os.getpid(),
            "memory_mb": memory_usage_mb(),
            "cpu_seconds": round(times.user + times.system, 3),
        }

    # ------------------------------------------------------------------------------------------------ encodings

    @command
    def create_embedding(self, text: str, dimensions: int = 384) -> dict[str, Any]:
        """Measures the embedding of a text; generate_embeddings sends it.

        Args:
            text: Any text.
            dimensions: Numbers of the vector.
        """
        vector = embed(text, _checked("dimensions", dimensions, 1, 4096))
        return {
            "text": text,
            "dimensions": dimensions,
            "encoding": "json",
            "size_bytes": 8 * dimensions,
            "norm": round(sum(one * one for one in vector) ** 0.5, 6),
        }

    @command
    def benchmark_encoding(self, start_kb: int = 1, end_kb: int = 100, step_kb: int = 10) -> dict[str, Any]:
        """Measures how long numbers take as JSON and as bytes, there and back, here and now.

        Args:
            start_kb: Size of the first array, in KiB of 64-bit numbers.
            end_kb: Size of the last.
            step_kb: From one to the next.
        """
        _checked("start_kb", start_kb, 1, _MOST_KB)
        _checked("end_kb", end_kb, start_kb, _MOST_KB)
        _checked("step_kb", step_kb, max(1, (end_kb - start_kb) // _STEPS), _MOST_KB)
        return {"results": [_measured(size) for size in range(start_kb, end_kb + 1, step_kb)]}


def _measured(size: int) -> dict[str, Any]:
    numbers = array("d", (n / 7 for n in range(size * 128)))
    text = _milliseconds(lambda: json.loads(json.dumps(numbers.tolist())))
    binary = _milliseconds(lambda: array("d").frombytes(numbers.tobytes()))
    return {
        "size_kb": size,
        "encoding": "json",
        "json_time_ms": text,
        "binary_time_ms": binary,
        "speedup": round(text / binary, 2) if binary else None,
    }


def _milliseconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return round(1000 * (time.perf_counter() - started), 4)


def _checked(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {value}")
    return value


def _seconds(milliseconds: int) -> float:
    return _checked("a time in milliseconds", milliseconds, 0, _LONGEST_MS) / 1000


def _chosen(table: dict[str, Any], name: str, argument: str) -> Any:
    if name not in table:
        raise ValueError(f"{argument} must be one of {', '.join(table)}, not {name!r}")
    return table[name]
