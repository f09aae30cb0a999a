"""python -m tests.crash: many trials of one suite, or of all, and a table of what came out."""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.crash.suites import CONTROLS, SUITES
from tests.crash.universe import Outcome, trial


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.crash")
    parser.add_argument("--suite", choices=SUITES, action="append", help="one or several; all without it")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 30))
    parser.add_argument("--without", choices=CONTROLS, help="take this mechanism away: its suite must go red")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, suite in SUITES.items():
            print(f"{name:20} {(suite.__doc__ or '').splitlines()[0]}")
        return 0
    names = options.suite or ([CONTROLS[options.without]] if options.without else list(SUITES))
    print(f"seed {options.seed}" + (f", without {options.without}" if options.without else ""), flush=True)
    rows = [_suite(name, options.trials, options.seed, options.without) for name in names]
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if any(row["failed"] for row in rows) else 0


def _suite(name: str, trials: int, seed: int, without: str | None) -> dict[str, Any]:
    outcomes = [trial(name, seed + number, without) for number in range(trials)]
    bad = [one for one in outcomes if one.failures]
    figures = {figure: _spread(outcomes, figure) for figure in sorted({f for one in outcomes for f in one.figures})}
    shown = ", ".join(f"{n}: median {f[0]:.1f} ms, 99 % {f[1]:.1f} ms" for n, f in figures.items() if f[1])
    print(f"{name:20} {trials} trials, {len(bad)} failed{'; ' + shown if shown else ''}", flush=True)
    for one in bad:
        print(f"    seed {one.seed}: {'; '.join(one.failures)}", flush=True)
    return {
        "suite": name, "without": without, "trials": trials, "seed": seed, "failed": len(bad), "figures": figures,
        "failures": {one.seed: one.failures for one in bad},
    }  # fmt: skip


def _spread(outcomes: list[Outcome], figure: str) -> tuple[float, float]:
    """Median and 99th percentile."""
    values = sorted(one.figures[figure] for one in outcomes if figure in one.figures)
    return statistics.median(values), values[min(len(values) - 1, int(len(values) * 0.99))]


if __name__ == "__main__":
    sys.exit(main())
