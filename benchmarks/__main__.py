"""`python -m benchmarks`: all of it in one run, or some groups of it. Needs only a Python ≥ 3.11.

Installs snakepit into a virtual environment under build/, and goes on in there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.installation import Installation, clean_environment, install
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Row
from benchmarks.trials import FULL, QUICK, Trials

if TYPE_CHECKING:
    from benchmarks.instance import Instance

GROUPS = {
    "startup": "startup.measure", "calls": "calls.measure", "transport": "transport.measure",
    "streams": "streams.measure", "attach": "pools.attach", "registry": "pools.registry", "memory": "pools.memory",
    "bulk": "bulk.measure", "large": "bulk.large", "crowd": "bulk.crowd", "bridges": "bridges.measure",
    "arrays": "arrays.measure", "state": "state.measure", "store": "store.measure",
}  # fmt: skip
"""Group → module and function. Imported when it is measured: this file runs before anything is installed, too."""
_LONGEST = 1800
"""Seconds that a group may take, its installations with it."""


def run(installation: Installation, trials: Trials, names: list[str]) -> list[Row]:
    """Each group has an instance of its own. Raises BenchmarkError and PitError."""
    from benchmarks.instance import Instance

    rows: list[Row] = []
    for name in names:
        sys.stderr.write(f"measuring {name} …\n")
        with limited(name, _LONGEST), Instance(installation) as instance, contextlib.chdir(instance.folder):
            rows += _group(name)(instance, trials)
    return rows


def _group(name: str) -> Callable[[Instance, Trials], list[Row]]:
    module, function = GROUPS[name].split(".")
    measure: Callable[[Instance, Trials], list[Row]] = getattr(import_module(f"benchmarks.{module}"), function)
    return measure


@contextlib.contextmanager
def limited(name: str, seconds: float) -> Iterator[None]:
    """Raises BenchmarkError in the block when it takes longer."""

    def late(*_: object) -> None:
        raise BenchmarkError(f"{name} did not end within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument(
        "--only", action="append", choices=GROUPS, metavar="GROUP",
        help=f"measure this, and what further --only name: {', '.join(GROUPS)}",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="fewer trials: shows that all works, proves nothing")
    return parser.parse_args()


def _measured(installation: Installation, options: argparse.Namespace) -> None:
    """Prints the results. Raises BenchmarkError and PitError."""
    from benchmarks import report

    rows = run(installation, QUICK if options.quick else FULL, options.only or list(GROUPS))
    sys.stdout.write(report.table(rows) + "\n")
    if options.json is not None:
        text = json.dumps(report.document(rows, quick=options.quick), indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    options = _parsed()
    # As an exception, so that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    clean_environment()
    try:
        installation = install()
        if not os.path.samefile(sys.prefix, Path(installation.python).parents[1]):
            os.execv(installation.python, [installation.python, "-m", "benchmarks", *sys.argv[1:]])
        from snakepit_cli.base.errors import PitError
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        _measured(installation, options)
    except (BenchmarkError, PitError, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
