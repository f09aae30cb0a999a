"""What a chunk may say about how far its stream is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from snakepit_cli.cli.output.progress_fields import read


@pytest.mark.parametrize(
    ("chunk", "percent", "words"),
    [
        ({"progress_percent": 12.5}, 12.5, None),
        ({"progress": 40}, 40.0, None),
        ({"processed": 1, "total": 4}, 25.0, None),
        ({"processed_rows": 10, "total_rows": 10}, 100.0, None),
        ({"step": 3, "steps": 12, "stage": "cleaning up"}, 25.0, "cleaning up"),
        ({"epoch": 1, "epochs": 3, "message": "loss\n 0.5"}, pytest.approx(33.33, abs=0.01), "loss 0.5"),
        ({"progress": 400}, 100.0, None),
        ({"progress": "most"}, None, None),
        ({"progress": True}, None, None),
        ({"processed": 1, "total": 0}, None, None),
        ({"message": "x" * 100}, None, "x" * 59 + "…"),
        ({"other": 1}, None, None),
        (["progress"], None, None),
    ],
)
def test_fields(chunk: Any, percent: float | None, words: str | None) -> None:
    assert read(b'{"progress":1}\n' + json.dumps(chunk).encode() + b"\n") == (percent, words)


def test_what_is_no_json_says_nothing() -> None:
    assert read(b'{"progress":\n') == (None, None)
    assert read(b"") == (None, None)
