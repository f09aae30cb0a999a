"""Puts what trials have shown into a page: one table of suites, one of controls, between their markers."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tests.crash.suites import CONTROLS, SUITES
from tests.crash.universe import ROOT

PAGE = "docs/operations/reliability.md"
Row = dict[str, Any]
_SUITES = (
    "| suite | what it does, and what must be true | trials | failed | figures, in ms unless named | counted |",
    "|---|---|---|---|---|---|",
)
_KINDS = 16
"""More counts than that are a list of cases, not a summary."""
_CONTROLS = ("| without | suite | trials | red |", "|---|---|---|---|")


def spread(values: Sequence[float]) -> str:
    """Median, 99th percentile and most of sorted values."""
    late = values[min(len(values) - 1, int(len(values) * 0.99))]
    return f"median {statistics.median(values):.0f}, 99 % {late:.0f}, most {values[-1]:.0f}"


def write(found: Sequence[Row]) -> None:
    """Rows of the same suite and control, with other seeds, are added up."""
    rows: dict[tuple[str, str | None], Row] = {}
    for row in found:
        key = row["suite"], row["without"]
        rows[key] = _sum(rows[key], row) if key in rows else row
    page = ROOT / PAGE
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
        counts = row["counts"] if len(row["counts"]) < _KINDS else {}
        counted = "<br>".join(f"{number:,} {name}" for name, number in sorted(counts.items()) if name != "inputs")
        yield f"| {name} | {what} | {row['trials']:,} | {row['failed']} | {times} | {counted} |"


def _controls(rows: dict[tuple[str, str | None], Row]) -> Iterator[str]:
    for mechanism, name in CONTROLS.items():
        row = rows.get((name, mechanism))
        if row is None:
            continue
        yield f"| `{mechanism}` | {name} | {row['trials']} | {row['failed']} |"
