"""python -m tests.crash: many trials of one suite, or of all, and a table of what came out."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.crash.report import spread, write
from tests.crash.suites import CONTROLS, INPUTS, LONG, SUITES
from tests.crash.universe import Outcome, trial


def main() -> int:
    options = _parser().parse_args()
    if options.list:
        for name, suite in SUITES.items():
            print(f"{name:20} {LONG[name]:4} trials  {(suite.__doc__ or '').splitlines()[0]}")
        for mechanism, name in CONTROLS.items():
            print(f"--without {mechanism:12} turns {name} red")
        return 0
    if options.report is not None:
        write(options.report, options.rows)
        return 0
    names = options.suite or ([CONTROLS[options.without]] if options.without else list(SUITES))
    print(f"seed {options.seed}" + (f", without {options.without}" if options.without else ""), flush=True)
    rows = []
    for name in names:
        trials = options.trials or max(1, round(LONG[name] * options.scale))
        rows.append(_suite(name, trials, options.seed, options.without, options.jobs))
        if options.json is not None:
            options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if any(row["failed"] for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.crash")
    parser.add_argument("--suite", choices=SUITES, action="append", help="one or several; all without it")
    parser.add_argument("--trials", type=int, help="of each suite; the long form's number without it")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the long form's numbers")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 30), help="of the first trial")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time; more than 1 disturbs the measured times")
    parser.add_argument("--without", choices=CONTROLS, help="take this mechanism away: its suite must go red")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--list", action="store_true", help="suites, their long form, and controls")
    parser.add_argument("--report", type=Path, metavar="MARKDOWN", help="put the tables of --json files into this page")
    parser.add_argument("rows", type=Path, nargs="*", metavar="FILE", help="for --report")
    return parser


def _suite(suite: str, trials: int, seed: int, without: str | None, jobs: int) -> dict[str, Any]:
    size = INPUTS.get(suite, 1)
    sizes = [min(size, trials - begun) for begun in range(0, trials, size)]
    run: Callable[[int], Outcome] = lambda number: trial(suite, seed + number, without, sizes[number])  # noqa: E731
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(run, range(len(sizes))))
    bad = [one for one in outcomes if one.failures]
    failed = sum(len(one.failures) for one in bad) if suite in INPUTS else len(bad)
    names = sorted({figure for one in outcomes for figure in one.figures})
    figures = {name: sorted(one.figures[name] for one in outcomes if name in one.figures) for name in names}
    counts = sum((Counter(one.counts) for one in outcomes), Counter())
    shown = "".join(f"; {figure}: {spread(values)} ms" for figure, values in figures.items())
    print(f"{suite:20} {trials} trials, {failed} failed{shown}", flush=True)
    if counts and len(counts) < 12:
        print("    " + ", ".join(f"{number} {what}" for what, number in sorted(counts.items())), flush=True)
    for one in bad:
        print(f"    seed {one.seed}: {'; '.join(one.failures)}", flush=True)
    return {
        "suite": suite, "without": without, "trials": trials, "seed": seed, "failed": failed, "figures": figures,
        "counts": dict(counts), "failures": {one.seed: one.failures for one in bad},
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
