"""Puts what trials have shown into a page: one table of suites, one of controls, between their markers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.crash.suites import CONTROLS, SUITES

Row = dict[str, Any]
_SUITES = (
    "| suite | what it does, and what must be true | trials | failed | median | 99 % |",
    "|---|---|---|---|---|---|",
)
_CONTROLS = ("| without | suite | trials | red | for instance |", "|---|---|---|---|---|")


def write(page: Path, files: Sequence[Path]) -> None:
    """Later files take precedence over earlier ones."""
    rows: dict[tuple[str, str | None], Row] = {}
    for file in files:
        for row in json.loads(file.read_text()):
            rows[row["suite"], row["without"]] = row
    text = _between(page.read_text(), "suites", [*_SUITES, *_suites(rows)])
    page.write_text(_between(text, "controls", [*_CONTROLS, *_controls(rows)]))


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
        figures = list(row["figures"].items())
        middle = "<br>".join(f"{figure} {values[0]:.0f} ms" for figure, values in figures)
        late = "<br>".join(f"{values[1]:.0f} ms" for _, values in figures)
        yield f"| {name} | {what} | {row['trials']} | {row['failed']} | {middle} | {late} |"


def _controls(rows: dict[tuple[str, str | None], Row]) -> Iterator[str]:
    for mechanism, name in CONTROLS.items():
        row = rows.get((name, mechanism))
        if row is None:
            continue
        example = next(iter(row["failures"].values()), ["nothing"])[0]
        example = example.replace("|", "/").replace("\n", " ")[:100]
        yield f"| `{mechanism}` | {name} | {row['trials']} | {row['failed']} | {example} |"
