"""What the last chunk of a block says about how far a stream is: a share in percent, and words."""

from __future__ import annotations

import json
from typing import Any

PERCENT = ("progress_percent", "progress")
"""From 0 to 100."""
SHARES = (
    ("processed", "total"),
    ("processed_rows", "total_rows"),
    ("step", "steps"),
    ("epoch", "epochs"),
)
"""`done` of `total`."""
WORDS = ("message", "stage")
_HINT = tuple(f'"{name}'.encode() for name in (*PERCENT, *(have for have, _ in SHARES), *WORDS))
_LONGEST = 60


def read(block: bytes) -> tuple[float | None, str | None]:
    """None for what it does not say."""
    line = block.rstrip(b"\n").rpartition(b"\n")[2]
    if not any(hint in line for hint in _HINT):
        return None, None
    try:
        chunk = json.loads(line)
    except ValueError:
        return None, None
    return (_percent(chunk), _words(chunk)) if isinstance(chunk, dict) else (None, None)


def _percent(chunk: dict[str, Any]) -> float | None:
    for name in PERCENT:
        if (value := _number(chunk.get(name))) is not None:
            return min(max(value, 0.0), 100.0)
    for have, want in SHARES:
        done, total = _number(chunk.get(have)), _number(chunk.get(want))
        if done is not None and total:
            return min(max(100.0 * done / total, 0.0), 100.0)
    return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _words(chunk: dict[str, Any]) -> str | None:
    text = next((chunk[name] for name in WORDS if isinstance(chunk.get(name), str)), None)
    if text is None:
        return None
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
