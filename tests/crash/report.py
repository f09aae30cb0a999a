"""Puts what trials have shown into a page: one table of suites, one of controls, between their markers."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.crash.suites import CONTROLS, SUITES

Row = dict[str, Any]
_SUITES = ("| suite | what it does, and what must be true | trials | failed | milliseconds |", "|---|---|---|---|---|")
_CONTROLS = ("| without | suite | trials | red |", "|---|---|---|---|")


def spread(values: Sequence[float]) -> str:
    """Median, 99th percentile and most of sorted values."""
    late = values[min(len(values) - 1, int(len(values) * 0.99))]
    return f"median {statistics.median(values):.0f}, 99 % {late:.0f}, most {values[-1]:.0f}"


def write(page: Path, files: Sequence[Path]) -> None:
    """Rows of the same suite and control, with other seeds, are added up."""
    rows: dict[tuple[str, str | None], Row] = {}
    for file in files:
        for row in json.loads(file.read_text()):
            key = row["suite"], row["without"]
            rows[key] = _sum(rows[key], row) if key in rows else row
    text = _between(page.read_text(), "suites", [*_SUITES, *_suites(rows)])
    page.write_text(_between(text, "controls", [*_CONTROLS, *_controls(rows)]))


def _sum(one: Row, other: Row) -> Row:
    figures = {
        name: sorted(one["figures"].get(name, []) + other["figures"].get(name, []))
        for name in one["figures"] | other["figures"]
    }
    counts = dict(Counter(one["counts"]) + Counter(other["counts"]))
    numbers = {name: one[name] + other[name] for name in ("trials", "failed")}
    return {**one, **numbers, "figures": figures, "counts": counts, "failures": one["failures"] | other["failures"]}


def _between(text: str, name: str, lines: Sequence[str]) -> str:
    head, _, rest = text.partition(f"<!-- {name} -->\n")
    _, _, tail = rest.partition(f"<!-- end of {name} -->")
    return "\n".join([f"{head}<!-- {name} -->", *lines, f"<!-- end of {name} -->{tail}"])


def _suites(rows: dict[tuple[str, str | None], Row]) -> Iterator[str]:
    for name, suite in SUITES.items():
        row = rows.get((name, None))
        if row is None:
            continue
        what = (suite.__doc__ or "").splitlines()[0]
        times = "<br>".join(f"{figure}: {spread(values)}" for figure, values in row["figures"].items())
        yield f"| {name} | {what} | {row['trials']} | {row['failed']} | {times} |"


def _controls(rows: dict[tuple[str, str | None], Row]) -> Iterator[str]:
    for mechanism, name in CONTROLS.items():
        row = rows.get((name, mechanism))
        if row is None:
            continue
        yield f"| `{mechanism}` | {name} | {row['trials']} | {row['failed']} |"
