"""The results as an aligned table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Any

import snakepit_cli
from benchmarks.rows import Row
from benchmarks.targets import target

_HEAD = ("", "snakepit", "peer", "", "ratio", "target", "")
_LEFT = {0, 3, 6}
"""Columns of text; the others are numbers and end at the same place."""


def table(rows: Sequence[Row]) -> str:
    """One line for each row, with a verdict where there is a target."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in _LEFT else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def _cells(row: Row) -> tuple[str, ...]:
    goal = target(row)
    unit = "" if goal is None or goal.quantity == "ratio" else f" {row.unit}"
    return (
        row.name,
        f"{number(row.value)} {row.unit}",
        "" if row.peer is None else f"{number(row.peer.value)} {row.unit}",
        "" if row.peer is None else row.peer.name,
        "" if row.ratio is None else f"{number(row.ratio)} x",
        "" if goal is None else f"{goal.comparison} {number(goal.limit)}{unit or ' x'}",
        "" if goal is None else "ok" if goal.met(row) else "MISSED",
    )


def number(value: float) -> str:
    """Three digits that count, or all of a large number's."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def document(rows: Sequence[Row], *, quick: bool) -> dict[str, Any]:
    """The same, with what it was measured on. `met` is null where there is no target."""
    return {
        "version": snakepit_cli.__version__,
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "quick": quick,
        "rows": [_object(row) for row in rows],
    }


def _object(row: Row) -> dict[str, Any]:
    goal = target(row)
    return {
        "name": row.name,
        "value": row.value,
        "unit": row.unit,
        "trials": row.trials,
        "peer": None if row.peer is None else {"name": row.peer.name, "value": row.peer.value},
        "ratio": row.ratio,
        "target": None
        if goal is None
        else {"quantity": goal.quantity, "comparison": goal.comparison, "limit": goal.limit},
        "met": None if goal is None else goal.met(row),
    }
