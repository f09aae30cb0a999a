"""The showcase's small commands: streams, load, encodings, failures."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
from snakepit_bridge.adapters.showcase import ShowcaseAdapter

SHOWCASE = ShowcaseAdapter()


def test_basics() -> None:
    assert SHOWCASE.add(2, 0.5) == 2.5
    assert [SHOWCASE.process_text("aB", one)["result"] for one in ("upper", "lower", "reverse", "length")] == [
        "AB", "ab", "Ba", 2,
    ]  # fmt: skip
    assert SHOWCASE.lightweight_task(21) == {"iteration": 21, "result": 42}


@pytest.mark.parametrize(("kind", "error"), [("value", ValueError), ("runtime", RuntimeError), ("generic", Exception)])
def test_failures_on_purpose(kind: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"a {kind} error") as caught:
        SHOWCASE.error_demo(kind)
    assert type(caught.value) is error


def test_streams() -> None:
    steps = list(SHOWCASE.stream_progress(4))
    assert [(one["step"], one["progress"]) for one in steps] == [(1, 25.0), (2, 50.0), (3, 75.0), (4, 100.0)]
    assert [one["value"] for one in SHOWCASE.stream_fibonacci(10)] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    chunks = list(SHOWCASE.generate_dataset(25, 10))
    assert [one["rows_in_chunk"] for one in chunks] == [10, 10, 5]
    assert [one["id"] for chunk in chunks for one in chunk["data"]] == list(range(25))
    assert chunks[2]["data_sample"][0] == {"id": 20, "square": 400, "even": True}
    endless = SHOWCASE.infinite_stream(0)
    assert [one["message"] for one in itertools.islice(endless, 2)] == ["chunk 1", "chunk 2"]


def test_load() -> None:
    done = SHOWCASE.cpu_bound_task("a", 5)
    assert (done["task_id"], done["result"] > 0, done["actual_duration_ms"] >= 5) == ("a", True, True)
    assert SHOWCASE.sleep_task(0, 7) == {"task_number": 7, "slept_ms": 0}
    assert SHOWCASE.get_pool_stats()["worker_pid"] == os.getpid()


def test_encodings() -> None:
    assert SHOWCASE.create_embedding("a text", 16) == {
        "text": "a text", "dimensions": 16, "encoding": "json", "size_bytes": 128, "norm": 1.0,
    }  # fmt: skip
    sizes = [one["size_kb"] for one in SHOWCASE.benchmark_encoding(1, 21, 10)["results"]]
    assert sizes == [1, 11, 21]


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("error_demo", {"error_type": "x"}, "error_type must be one of value, runtime, generic, not 'x'"),
        ("process_text", {"text": "", "operation": "x"}, "operation must be one of"),
        ("stream_progress", {"steps": 0}, "steps must be from 1"),
        ("stream_progress", {"delay_ms": -1}, "a time in milliseconds must be from 0"),
        ("stream_fibonacci", {"count": 10_001}, "count must be from 0 to 10000"),
        ("generate_dataset", {"chunk_size": 0}, "chunk_size must be from 1"),
        ("cpu_bound_task", {"duration_ms": 10**9}, "a time in milliseconds"),
        ("create_embedding", {"text": "a", "dimensions": 0}, "dimensions must be from 1"),
        ("benchmark_encoding", {"start_kb": 5, "end_kb": 4}, "end_kb must be from 5"),
        ("benchmark_encoding", {"start_kb": 1, "end_kb": 10_000, "step_kb": 1}, "step_kb must be from 9"),
    ],
)
def test_what_is_refused(command: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(getattr(SHOWCASE, command)(**arguments))
