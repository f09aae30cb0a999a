"""python -m tests.crash: many trials of one suite, or of all, and a table of what came out."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash.report import PAGE, Row, spread, write
from tests.crash.suites import CONTROLS, INPUTS, LONG, SUITES
from tests.crash.universe import Outcome, trial

_RED_TRIALS = 3
_RED_INPUTS = 300
"""Of a control in the report."""


def main() -> int:
    options = _parser().parse_args()
    if options.list:
        for name, suite in SUITES.items():
            print(f"{name:20} {LONG[name]:4} trials  {(suite.__doc__ or '').splitlines()[0]}")
        for mechanism, name in CONTROLS.items():
            print(f"--without {mechanism:20} turns {name} red")
        return 0
    if options.rows:
        write([row for file in options.rows for row in json.loads(file.read_text())])
        return 0
    print(f"seed {options.seed}", flush=True)
    rows: list[Row] = []
    for name, trials, without in _plan(options):
        rows.append(_suite(name, trials, options.seed, without, options.jobs))
        if options.json is not None:
            options.json.write_text(json.dumps(rows, indent=2) + "\n")
    if options.report:
        write(rows)
    if options.report or options.controls:
        return 1 if any(bool(row["failed"]) == (row["without"] is None) for row in rows) else 0
    return 1 if any(row["failed"] for row in rows) else 0


def _plan(options: argparse.Namespace) -> Iterator[tuple[str, int, str | None]]:
    """Suite, trials and mechanism to take away. The report has every control, too; --controls has nothing else."""
    names = options.suite or ([CONTROLS[options.without]] if options.without else list(SUITES))
    for name in [] if options.controls else names:
        yield name, options.trials or max(1, round(LONG[name] * options.scale)), options.without
    if options.report or options.controls:
        for mechanism, name in CONTROLS.items():
            yield name, options.trials or (_RED_INPUTS if name in INPUTS else _RED_TRIALS), mechanism


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.crash")
    parser.add_argument("--suite", choices=SUITES, action="append", help="one or several; all without it")
    parser.add_argument("--trials", type=int, help="of each suite; the long form's number without it")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the long form's numbers")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 30), help="of the first trial")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time; more than 1 disturbs the measured times")
    parser.add_argument("--without", choices=CONTROLS, help="take this mechanism away: its suite must go red")
    parser.add_argument("--controls", action="store_true", help="every control: takes all mechanisms away in turn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--list", action="store_true", help="suites, their long form, and controls")
    parser.add_argument("--report", action="store_true", help=f"all suites and controls; results go into {PAGE}")
    parser.add_argument("rows", type=Path, nargs="*", metavar="FILE", help="only put the results of --json files there")
    return parser


def _suite(suite: str, trials: int, seed: int, without: str | None, jobs: int) -> Row:
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
    shown = "".join(f"; {figure}: {spread(values)}" for figure, values in figures.items())
    print(f"{suite:20} {trials} trials, {failed} failed{shown}", flush=True)
    if counts and len(counts) < 16:
        print("    " + ", ".join(f"{number} {what}" for what, number in sorted(counts.items())), flush=True)
    for one in bad:
        print(f"    seed {one.seed}: {'; '.join(one.failures)}", flush=True)
    return {
        "suite": suite, "without": without, "trials": trials, "seed": seed, "failed": failed, "figures": figures,
        "counts": dict(counts), "failures": {one.seed: one.failures for one in bad},
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
